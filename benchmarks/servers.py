"""The servers that are measured: ours, bare uvicorn, and any other; and single requests to them."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import onnx
import psutil

from benchmarks.load import Cores, Request
from service import taken_folder
from service.registry import promotion
from service.registry.manifest import EXTRA, ONNX, seal
from service.registry.versions import Registry
from tests.models.chain import Layer, graph
from tests.registry.versions import JOB, as_told, metadata

ROOT = Path(__file__).parent.parent

WAIT_SECONDS = 60.0
POLLING_SECONDS = 0.005


def publish_truth(registry: Registry, job_id: str = JOB) -> None:
    """Publishes a version: the true function as a cross network."""
    registry.prepare()
    about = metadata("cross", job_id)
    attempt = registry.staging.begin(job_id)
    staged = attempt.folder / about.model
    (staged / EXTRA).mkdir(parents=True)
    onnx.save(truth(), staged / ONNX)
    seal(staged, about)
    registry.staging.publish(job_id, attempt)
    promotion.publish(registry, about.job_id, as_told)
    taken_folder.discard(attempt)


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


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
