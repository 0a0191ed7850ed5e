"""Single predictions by ours and by other model servers, all in the same run.

    python -m benchmarks.peers [--quick] [--json FILE]

Every server has one core, one process that predicts, the same ONNX file in the same version of
ONNX Runtime with one thread, and neither access log nor metrics where it can do without. Their
environments are made in `.venv-peers`.
"""

import json
import os
import subprocess
import tempfile
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import httpx
import numpy as np
import onnx
import typer

from benchmarks.load import Cores, Request, compare, console, two_cores
from benchmarks.servers import (
    ROOT,
    bare,
    first_answer,
    free_port,
    ours,
    publish_truth,
    serving,
    truth,
)
from benchmarks.serving import CONNECTIONS, Fields, predict_request, report
from benchmarks.table import table
from models.data import synthetic_triples, target

ENVIRONMENTS = ROOT / ".venv-peers"
REQUIREMENTS = Path(__file__).with_name("peers-requirements.txt")

TRIPLES = synthetic_triples(1, seed=42).features

SESSION = """
import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession("model.onnx", options)

def run(features):
    return session.run(None, {"features": np.asarray(features, np.float64)})[0][:, 0]
"""

LITSERVE = """
import sys

import litserve

class Truth(litserve.LitAPI):
    def setup(self, device):
        from session import run

        self.run = run

    def predict(self, request):
        return {"predictions": self.run(request["instances"]).tolist()}

if __name__ == "__main__":
    server = litserve.LitServer(Truth(), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
"""

BENTOML = """
import bentoml

from session import run

@bentoml.service(
    workers=1,
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class Truth:
    # Asynchronous, which spares it a thread for each request.
    @bentoml.api(route="/predict")
    async def predict(self, instances: list[tuple[float, float, float]]) -> dict:
        return {"predictions": run(instances).tolist()}
"""

MLSERVER = """
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

from session import run

class Truth(MLModel):
    async def load(self):
        return True

    async def predict(self, payload):
        predictions = run(NumpyCodec.decode_input(payload.inputs[0]))
        output = NumpyCodec.encode_output("predictions", predictions)
        return InferenceResponse(model_name=self.name, outputs=[output])
"""

MLSERVER_MODEL = {"name": "truth", "implementation": "service.Truth"}


class Peer(NamedTuple):
    """Another server: the files of its service, how to start it and how to ask it."""

    name: str
    files: dict[str, str]
    command: Callable[[int], list[str]]
    health: str
    request: Request
    predictions: Callable[[Any], list[float]]


def json_request(path: str, body: Fields) -> Request:
    """A request with a body of JSON."""
    encoded = json.dumps(body, separators=(",", ":")).encode()
    return Request(path, {"Content-Type": "application/json"}, encoded)


def mlserver_settings(port: int) -> str:
    """MLServer without processes beside its own, logs and metrics."""
    return json.dumps(
        {
            "host": "127.0.0.1",
            "http_port": port,
            "grpc_port": free_port(),
            "parallel_workers": 0,
            "debug": False,
            "gzip_enabled": False,
            "metrics_endpoint": None,
        }
    )


INSTANCES = json_request("/predict", {"instances": TRIPLES.tolist()})
TENSOR = {
    "name": "features",
    "shape": TRIPLES.shape,
    "datatype": "FP64",
    "data": TRIPLES.ravel().tolist(),
}

PEERS = [
    Peer(
        "litserve",
        {"service.py": LITSERVE},
        lambda port: ["python", "service.py", str(port)],
        "/health",
        INSTANCES,
        lambda answer: answer["predictions"],
    ),
    Peer(
        "bentoml",
        {"service.py": BENTOML},
        lambda port: ["bentoml", "serve", "service:Truth", "--host=127.0.0.1", f"--port={port}"],
        "/readyz",
        INSTANCES,
        lambda answer: answer["predictions"],
    ),
    Peer(
        "mlserver",
        {"service.py": MLSERVER, "model-settings.json": json.dumps(MLSERVER_MODEL)},
        lambda _: ["mlserver", "start", "."],
        "/v2/health/ready",
        json_request("/v2/models/truth/infer", {"inputs": [TENSOR]}),
        lambda answer: answer["outputs"][0]["data"],
    ),
]


def main(
    quick: Annotated[bool, typer.Option("--quick", help="One short run of each.")] = False,
    to: Annotated[Path | None, typer.Option("--json", help="Where to write the figures.")] = None,
) -> None:
    """Measure single predictions of LitServe, BentoML and MLServer beside ours."""
    runs, seconds = (1, 1) if quick else (3, 3)
    installed = [peer for peer in PEERS if install(peer.name)]
    load_before = os.getloadavg()
    cores = two_cores()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        artifacts = Path(name, "artifacts")
        publish_truth(artifacts)
        request = predict_request("json", 1)
        url = stack.enter_context(ours(artifacts, cores))
        answer = first_answer(url, request)
        check(answer.json()["predictions"])
        servers = {
            "bare uvicorn": (stack.enter_context(bare(answer, cores)), request),
            "crosscheck": (url, request),
        }
        for peer in installed:
            try:
                url = stack.enter_context(running(peer, Path(name, peer.name), cores))
                check(peer.predictions(first_answer(url, peer.request).raise_for_status().json()))
                servers[peer.name] = (url, peer.request)
            except (RuntimeError, httpx.HTTPError) as error:
                console.print(f"{peer.name} is left out: {error}")
        alone, together = (
            compare(servers, cores, connections, runs, seconds) for connections in CONNECTIONS
        )
    printed = table(
        "single triples × connections",
        *("requests/s\n× 32", "p50 ms\n× 32", "p50 ms\n× 1"),
        *("ours faster\nrequests/s", "ours faster\np50 × 1"),
    )
    us = "crosscheck"
    for name in servers:
        printed.add_row(
            name,
            f"{together[name].requests_per_second:,.0f}",
            f"{together[name].p50_ms:.3f}",
            f"{alone[name].p50_ms:.3f}",
            f"{together[us].requests_per_second / together[name].requests_per_second:.2f}×",
            f"{alone[name].p50_ms / alone[us].p50_ms:.2f}×",
        )
    console.print(printed)
    figures = {
        name: {"1_connection": alone[name]._asdict(), "32_connections": together[name]._asdict()}
        for name in servers
    }
    report(figures, load_before, to)


def install(name: str) -> bool:
    """Makes a peer's environment, unless it is as the requirements say already."""
    folder = ENVIRONMENTS / name
    marker = folder / "installed"
    if marker.exists() and marker.read_text() == REQUIREMENTS.read_text():
        return True
    console.print(f"Installing {name} in {folder.relative_to(ROOT)}")
    venv.create(folder, clear=True, with_pip=True)
    (ENVIRONMENTS / ".gitignore").write_text("*\n")
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    wanted = ["--constraint", str(REQUIREMENTS), name, "numpy", "onnxruntime", "uvloop"]
    done = subprocess.run([*pip, *wanted], capture_output=True, text=True, check=False)
    if done.returncode:
        console.print(f"{name} is left out, pip cannot install it: {done.stderr[-1000:]}")
        return False
    marker.write_text(REQUIREMENTS.read_text())
    return True


@contextmanager
def running(peer: Peer, folder: Path, cores: Cores) -> Iterator[str]:
    """A peer that serves the true function."""
    folder.mkdir()
    onnx.save(truth(), folder / "model.onnx")
    port = free_port()
    files = {"session.py": SESSION, "settings.json": mlserver_settings(port), **peer.files}
    for name, text in files.items():
        (folder / name).write_text(text)
    program, *arguments = peer.command(port)
    command = [str(ENVIRONMENTS / peer.name / "bin" / program), *arguments]
    environment = {
        "PYTHONPATH": str(folder),
        "BENTOML_HOME": str(folder),
        "BENTOML_DO_NOT_TRACK": "true",
    }
    with serving(command, port, cores, environment, folder, peer.health) as url:
        yield url


def check(predictions: list[float]) -> None:
    """Holds a server's answer against the true function."""
    np.testing.assert_allclose(predictions, target(TRIPLES))


if __name__ == "__main__":
    typer.run(main)
