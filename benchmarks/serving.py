"""What serving costs, against a bare ASGI function on the same uvicorn in the same run.

    python -m benchmarks.serving [--quick] [--json FILE]

The server has one core and what makes the load another. The served network of triples is the
true function, so that every kind of answer can be checked before it is timed; that of a table
(see rows.py) is asked without a server as well.
"""

import io
import json
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import httpx
import numpy as np
import psutil
import typer

from benchmarks.load import ANYWHERE, Cores, Request, compare, console, make_load, two_cores
from benchmarks.rows import expected_of_rows, publish_rows, rows_request
from benchmarks.servers import bare, first_answer, ours, post, publish_truth
from benchmarks.table import table
from models.data import Array, synthetic_triples, target
from service.registry.versions import Registry

Fields = dict[str, Any]

ROWS = (1, 100, 1_000, 10_000)
BESIDE = {"tensorflow serving": "json", "open inference": "json", "open inference, binary": "npy"}
"""Forms of other protocols, and the one of `POST /predict` that each is held against."""
ROWS_OF_OTHERS = (1, 10_000)
LENGTH = "Inference-Header-Content-Length"
TABLE = "json objects of 10 columns"
ROWS_OF_TABLE = (1, 1_000)
CONNECTIONS = (1, 32)

ROUNDS = 2
ROUND_REQUESTS = 1_000
ROUND_ROWS = 1_000


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
        publish_truth(Registry(artifacts))
        publish_rows(artifacts)
        figures = {
            "predict": measure_predict(artifacts, cores, runs, seconds),
            "protocols": measure_protocols(artifacts, cores, runs, seconds),
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
        "rows × connections",
        *("requests/s", "rows/s", "p50 ms", "p99 ms"),
        *("bare\nrequests/s", "bare\np50 ms", "ours to bare"),
    )
    figures = []
    # As many large requests at once as there are connections: none is to be refused.
    with ours(artifacts, cores, CROSSCHECK_MAX_LARGE_REQUESTS="32") as url:
        forms = [(form, rows) for form in ("json", "npy") for rows in ROWS]
        for form, rows in [*forms, *((TABLE, rows) for rows in ROWS_OF_TABLE)]:
            request = rows_request(rows) if form == TABLE else predict_request(form, rows)
            response = first_answer(url, request)
            if response.status_code != 200:
                printed.add_row(f"{form}, {rows:,}", f"not supported: {response.status_code}")
                continue
            if form == TABLE:
                of_rows = expected_of_rows(artifacts, rows)
                np.testing.assert_array_equal(response.json()["predictions"], of_rows)
            else:
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


def measure_protocols(artifacts: Path, cores: Cores, runs: int, seconds: int) -> list[Fields]:
    """Prints the other protocols beside `POST /predict`, which the same process answers in turn."""
    printed = table("rows × connections", "requests/s", "/predict", "as many", "p50 as long")
    figures = []
    with ours(artifacts, cores, CROSSCHECK_MAX_LARGE_REQUESTS="32") as url:
        for form, own in BESIDE.items():
            for rows in ROWS_OF_OTHERS:
                asked = {name: predict_request(name, rows) for name in (form, own)}
                for request in asked.values():
                    check(first_answer(url, request), rows)
                servers = {name: (url, request) for name, request in asked.items()}
                for connections in CONNECTIONS:
                    loads = compare(servers, cores, connections, runs, seconds)
                    theirs, of_own = loads[form], loads[own]
                    as_many = theirs.requests_per_second / of_own.requests_per_second
                    as_long = theirs.p50_ms / of_own.p50_ms
                    printed.add_row(
                        f"{form} ÷ {own}, {rows:,} × {connections}",
                        f"{theirs.requests_per_second:,.0f}",
                        f"{of_own.requests_per_second:,.0f}",
                        f"{as_many:.2f}",
                        f"{as_long:.2f}",
                    )
                    of = {"format": form, "beside": own, "rows": rows, "connections": connections}
                    figures.append({**of, "requests_ratio": as_many, "p50_ratio": as_long})
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
            load = make_load(url, one, cores, 32, seconds)
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
    if form in ("json", "tensorflow serving"):
        body = json.dumps({"instances": features.tolist()}, separators=(",", ":")).encode()
        path = "/predict" if form == "json" else "/v1/models/cross:predict"
        return Request(path, {"Content-Type": "application/json"}, body)
    if form.startswith("open inference"):
        return infer_request(features, form.endswith("binary"))
    media_type = "application/x-npy"
    file = io.BytesIO()
    np.save(file, features)
    return Request("/predict", {"Content-Type": media_type, "Accept": media_type}, file.getvalue())


def infer_request(features: Array, binary: bool) -> Request:
    """The same in the Open Inference Protocol."""
    tensor: Fields = {"name": "features", "shape": features.shape, "datatype": "FP64"}
    asked: Fields = {"inputs": [tensor]}
    if binary:
        tensor["parameters"] = {"binary_data_size": features.nbytes}
        asked["parameters"] = {"binary_data_output": True}
    else:
        tensor["data"] = features.ravel().tolist()
    body = json.dumps(asked, separators=(",", ":")).encode()
    path, headers = "/v2/models/cross/infer", {"Content-Type": "application/json"}
    if not binary:
        return Request(path, headers, body)
    headers = {LENGTH: str(len(body)), "Content-Type": "application/octet-stream"}
    return Request(path, headers, body + features.tobytes())


def check(response: httpx.Response, rows: int) -> None:
    """Holds an answer against the true function."""
    predictions: Array
    if LENGTH in response.headers:
        predictions = np.frombuffer(response.content[int(response.headers[LENGTH]) :])
    elif response.headers["content-type"] == "application/json":
        answer = response.json()
        (output,) = answer.get("outputs", [{"data": answer.get("predictions")}])
        predictions = np.array(output["data"]).ravel()
    else:
        predictions = np.load(io.BytesIO(response.content))
    np.testing.assert_allclose(predictions, target(synthetic_triples(rows, seed=42).features))


if __name__ == "__main__":
    typer.run(main)
