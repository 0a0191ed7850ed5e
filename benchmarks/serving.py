"""What serving costs, against a bare ASGI function on the same uvicorn in the same run.

    python -m benchmarks.serving [--quick] [--json FILE]

The server has one core and `wrk`, which makes the load, another. The served network is the true
function, so that every kind of answer can be checked before it is timed.
"""

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated, Any, NamedTuple

import httpx
import numpy as np
import onnx
import psutil
import typer
from rich.console import Console

from benchmarks.table import table
from models.data import Array, synthetic_triples, target
from models.onnx_graph import Layer, graph
from service.manifest import EXTRA, ONNX, seal
from service.registry import Registry
from tests.versions import metadata

Fields = dict[str, Any]

ROOT = Path(__file__).parent.parent

ROWS = (1, 100, 1_000, 10_000)
CONNECTIONS = (1, 32)

WAIT_SECONDS = 60.0
POLLING_SECONDS = 0.005

ROUNDS = 2
ROUND_REQUESTS = 1_000
ROUND_ROWS = 1_000

# The widest table, also where the output is no terminal.
console = Console(highlight=False, width=110)


class Request(NamedTuple):
    """A request that is made over and over."""

    path: str
    headers: dict[str, str]
    body: bytes


class Load(NamedTuple):
    """What a server achieved under load."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float


class Cores(NamedTuple):
    """Where the server and `wrk` run; None is anywhere."""

    server: int | None
    load: int | None


ANYWHERE = Cores(None, None)


def main(
    quick: Annotated[bool, typer.Option("--quick", help="One short run of each.")] = False,
    to: Annotated[Path | None, typer.Option("--json", help="Where to write the figures.")] = None,
) -> None:
    """Measure `POST /predict` against bare uvicorn, the start and the memory."""
    runs, seconds = (1, 1) if quick else (3, 3)
    load_before = os.getloadavg()
    cores = two_cores()
    with tempfile.TemporaryDirectory() as folder:
        artifacts = Path(folder)
        publish_truth(artifacts)
        figures = {
            "predict": measure_predict(artifacts, cores, runs, seconds),
            "workers": measure_workers(artifacts, runs, seconds),
            "start_seconds": measure_start(artifacts, 3 if quick else 5),
            "memory": measure_memory(artifacts, cores, seconds),
        }
    report(figures, load_before, to)


def report(figures: Fields, load_before: tuple[float, float, float], to: Path | None) -> None:
    """Prints how busy the machine was, and writes the figures."""
    cpus, load_after = os.cpu_count(), os.getloadavg()
    console.print(f"{cpus} cores; load {load_before[0]:.2f} before, {load_after[0]:.2f} after")
    machine = {"cpus": cpus, "load_before": load_before, "load_after": load_after}
    text = json.dumps({**figures, "machine": machine}, indent=2)
    if to is None:
        typer.echo(text)
    else:
        to.write_text(text + "\n")


def measure_predict(artifacts: Path, cores: Cores, runs: int, seconds: int) -> list[Fields]:
    """Prints requests a second and latencies, of ours and of bare uvicorn."""
    printed = table(
        "triples × connections",
        *("requests/s", "rows/s", "p50 ms", "p99 ms"),
        *("bare\nrequests/s", "bare\np50 ms", "ours to bare"),
    )
    figures = []
    # As many large requests at once as there are connections: none is to be refused.
    with ours(artifacts, cores, CROSSCHECK_MAX_LARGE_REQUESTS="32") as url:
        for form, rows in ((form, rows) for form in ("json", "npy") for rows in ROWS):
            request = predict_request(form, rows)
            response = first_answer(url, request)
            if response.status_code != 200:
                printed.add_row(f"{form}, {rows:,}", f"not supported: {response.status_code}")
                continue
            check(response, rows)
            with bare(response, cores) as bare_url:
                servers = {"ours": (url, request), "bare": (bare_url, request)}
                for connections in CONNECTIONS:
                    loads = compare(servers, cores, connections, runs, seconds)
                    our, limit = loads["ours"], loads["bare"]
                    throughput = our.requests_per_second / limit.requests_per_second
                    latency = our.p50_ms / limit.p50_ms
                    # With one connection it is latency that counts, with many it is throughput.
                    printed.add_row(
                        f"{form}, {rows:,} × {connections}",
                        f"{our.requests_per_second:,.0f}",
                        f"{our.requests_per_second * rows:,.0f}",
                        f"{our.p50_ms:.3f}",
                        f"{our.p99_ms:.3f}",
                        f"{limit.requests_per_second:,.0f}",
                        f"{limit.p50_ms:.3f}",
                        f"p50 {latency:.2f}" if connections == 1 else f"requests {throughput:.2f}",
                    )
                    figures.append(
                        {
                            "format": form,
                            "rows": rows,
                            "connections": connections,
                            "body_bytes": len(request.body),
                            "ours": our._asdict(),
                            "bare": limit._asdict(),
                            "throughput_ratio": throughput,
                            "p50_ratio": latency,
                        }
                    )
    console.print(printed)
    return figures


def measure_workers(artifacts: Path, runs: int, seconds: int) -> Fields:
    """Prints requests a second of one and two API processes, which may use every core."""
    printed = table("single triples, 32 connections, any core", "requests/s", "p50 ms", "p99 ms")
    request = predict_request("json", 1)
    with ExitStack() as stack:
        servers = {}
        for workers in (1, 2):
            url = stack.enter_context(ours(artifacts, ANYWHERE, workers))
            check(first_answer(url, request), 1)
            servers[f"{workers} API process{'es' * (workers > 1)}"] = (url, request)
        silent = stack.enter_context(ours(artifacts, ANYWHERE, CROSSCHECK_ACCESS_LOG="false"))
        servers["1 API process, no access log"] = (silent, request)
        loads = compare(servers, ANYWHERE, 32, runs, seconds)
    for name, load in loads.items():
        row = (f"{load.requests_per_second:,.0f}", f"{load.p50_ms:.3f}", f"{load.p99_ms:.3f}")
        printed.add_row(name, *row)
    console.print(printed)
    return {name: load._asdict() for name, load in loads.items()}


def measure_start(artifacts: Path, runs: int) -> list[float]:
    """Prints the seconds from starting `crosscheck serve` to its first answer."""
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        with ours(artifacts, ANYWHERE):
            seconds.append(time.perf_counter() - started)
    console.print(f"From the start to the first answer: {median(seconds):.2f} s")
    return seconds


def measure_memory(artifacts: Path, cores: Cores, seconds: int) -> list[Fields]:
    """Prints what an API process holds at first and after each million predictions."""
    printed = table("memory of an API process", "RSS MiB", "USS MiB")
    figures: list[Fields] = []

    def note(when: str, api: psutil.Process) -> None:
        full = api.memory_full_info()
        figures.append({"when": when, "rss": full.rss, "uss": full.uss})
        printed.add_row(when, f"{full.rss / 2**20:.1f}", f"{full.uss / 2**20:.1f}")

    many, one = predict_request("json", ROUND_ROWS), predict_request("json", 1)
    with ours(artifacts, cores) as url:
        (api,) = (child for child in psutil.Process().children(recursive=True) if is_api(child))
        note("at the start", api)
        for number in range(1, ROUNDS + 1):
            with httpx.Client(base_url=url, trust_env=False) as client:
                for _ in range(ROUND_REQUESTS):
                    post(client, many).raise_for_status()
            load = wrk(url, one, cores, 32, seconds)
            singles = load.requests_per_second * seconds
            note(f"{number * ROUND_REQUESTS * ROUND_ROWS:,} rows, {singles:,.0f} singles", api)
    console.print(printed)
    return figures


def is_api(process: psutil.Process) -> bool:
    """Whether a process is an API process of ours."""
    return bool(process.cmdline()[1:4] == ["-m", "service", "api"])


def predict_request(form: str, rows: int) -> Request:
    """A request that asks for the predictions of so many triples of the synthetic dataset."""
    features = synthetic_triples(rows, seed=42).features
    if form == "json":
        body = json.dumps({"instances": features.tolist()}, separators=(",", ":")).encode()
        return Request("/predict", {"Content-Type": "application/json"}, body)
    media_type = "application/x-npy"
    file = io.BytesIO()
    np.save(file, features)
    return Request("/predict", {"Content-Type": media_type, "Accept": media_type}, file.getvalue())


def check(response: httpx.Response, rows: int) -> None:
    """Holds an answer against the true function."""
    predictions: Array
    if response.headers["content-type"] == "application/json":
        predictions = np.array(response.json()["predictions"])
    else:
        predictions = np.load(io.BytesIO(response.content))
    np.testing.assert_allclose(predictions, target(synthetic_triples(rows, seed=42).features))


def publish_truth(artifacts: Path) -> None:
    """Fills an artifacts folder with one version: the true function as a cross network."""
    registry = Registry(artifacts)
    registry.prepare()
    about = metadata("cross")
    staged = registry.staging.start_over(about.job_id) / about.model
    (staged / EXTRA).mkdir(parents=True)
    onnx.save(truth(), staged / ONNX)
    seal(staged, about)
    registry.staging.decide(about.job_id, "publish")
    registry.publish(about.job_id)


def truth() -> onnx.ModelProto:
    """The true function as a cross network: the sum of `x0 ⊙ (Wx + b) + x`."""
    products = np.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 1]])
    return graph(
        [
            Layer(products, np.full(3, -1.0), "cross"),
            Layer(np.ones((3, 1)), np.zeros(1), "linear"),
        ]
    )


@contextmanager
def ours(artifacts: Path, cores: Cores, workers: int = 1, **settings: str) -> Iterator[str]:
    """The service without its training worker."""
    port = free_port()
    command = [sys.executable, "-m", "service", "serve", "--no-worker"]
    command += ["--workers", str(workers), "--port", str(port)]
    environment = {"CROSSCHECK_ARTIFACTS_DIR": str(artifacts), **settings}
    with serving(command, port, cores, environment) as url:
        yield url


@contextmanager
def bare(like: httpx.Response, cores: Cores) -> Iterator[str]:
    """Bare uvicorn that answers as many bytes under the same headers as `like`."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.bare", "--port", str(port)]
    command += ["--size", str(len(like.content))]
    for name, value in like.headers.items():
        if name not in ("date", "transfer-encoding"):  # which uvicorn adds
            command += ["--header", f"{name}: {value}"]
    with serving(command, port, cores) as url:
        yield url


@contextmanager
def serving(
    command: list[str],
    port: int,
    cores: Cores,
    environment: Mapping[str, str] | None = None,
    folder: Path = ROOT,
    health: str = "/livez",
) -> Iterator[str]:
    """A server that answers; it and all of its processes are gone afterwards."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        if cores.server is not None:  # before it starts processes of its own, which inherit this
            psutil.Process(process.pid).cpu_affinity([cores.server])
        url = f"http://127.0.0.1:{port}"
        try:
            with httpx.Client(base_url=url, trust_env=False) as client:
                deadline = time.monotonic() + WAIT_SECONDS
                while not is_healthy(client, health):
                    if process.poll() is not None or time.monotonic() > deadline:
                        log.seek(0)
                        tail = log.read()[-2000:].decode(errors="replace")
                        raise RuntimeError(f"{' '.join(command)} does not answer:\n{tail}")
                    time.sleep(POLLING_SECONDS)
            yield url
        finally:
            end(process)


def is_healthy(client: httpx.Client, path: str) -> bool:
    """Whether a server answers a request for its health."""
    try:
        return client.get(path, timeout=WAIT_SECONDS).is_success
    except httpx.TransportError:
        return False


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a server, and whatever of its processes does not end with it."""
    if process.poll() is None:
        everybody = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _, alive = psutil.wait_procs(everybody, timeout=5)
        for orphan in alive:
            orphan.kill()


def first_answer(url: str, request: Request) -> httpx.Response:
    """The answer to a request that is made once."""
    with httpx.Client(base_url=url, trust_env=False) as client:
        return post(client, request)


def post(client: httpx.Client, request: Request) -> httpx.Response:
    """Makes a request."""
    return client.post(
        request.path, content=request.body, headers=request.headers, timeout=WAIT_SECONDS
    )


def compare(
    servers: Mapping[str, tuple[str, Request]],
    cores: Cores,
    connections: int,
    runs: int,
    seconds: int,
) -> dict[str, Load]:
    """The median load of each server.

    They take turns, so that what else the machine does weighs on all alike.
    """
    loads: dict[str, list[Load]] = {name: [] for name in servers}
    for _ in range(runs):
        for name, (url, request) in servers.items():
            loads[name].append(wrk(url, request, cores, connections, seconds))
    return {name: Load(*map(median, zip(*ones, strict=True))) for name, ones in loads.items()}


SCRIPT = """
wrk.method = "POST"
wrk.body = io.open("body", "rb"):read("*a")
function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '\\n{"requests": %d, "microseconds": %d, "p50": %f, "p99": %f, "errors": %d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
"""


def wrk(url: str, request: Request, cores: Cores, connections: int, seconds: int) -> Load:
    """Makes a request for some seconds as fast as it is answered."""
    program = shutil.which("wrk")
    if program is None:
        raise SystemExit("wrk makes the load and is not installed: sudo apt-get install wrk")
    headers = [
        f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}\n"
        for name, value in request.headers.items()
    ]
    command = [program, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", "script.lua"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "script.lua").write_text(SCRIPT + "".join(headers))
        (folder / "body").write_bytes(request.body)
        with subprocess.Popen(
            [*command, url + request.path], cwd=folder, stdout=subprocess.PIPE, text=True
        ) as process:
            if cores.load is not None:
                psutil.Process(process.pid).cpu_affinity([cores.load])
            output = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(f"wrk failed: {output}")
    result = json.loads(output.splitlines()[-1])
    if result["errors"] or not result["requests"]:
        raise RuntimeError(f"{url}{request.path}, {connections} connections: {result}")
    return Load(
        1e6 * result["requests"] / result["microseconds"],
        result["p50"] / 1000,
        result["p99"] / 1000,
    )


def two_cores() -> Cores:
    """A core for the server and another for the load, if the system lets one choose."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(allowed) < 2:
        console.print("Fewer than two cores to choose from: the server and wrk share what there is")
        return ANYWHERE
    return Cores(allowed[0], allowed[-1])


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    typer.run(main)
