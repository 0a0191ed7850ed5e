"""Other model servers: their services, how they are started, and what they are asked.

Each takes what goes into the graph by name, in the JSON that is usual for it, and runs ONNX
Runtime as its manual does.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from benchmarks.load import Request
from benchmarks.servers import free_port

Inputs = Mapping[str, list[Any]]
"""What goes into a graph, by name: a column, or a matrix as the list of its rows."""

SESSION = """
import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession("model.onnx", options)
types = {
    each.name: object if each.type == "tensor(string)" else np.float64
    for each in session.get_inputs()
}

def run(inputs):
    arrays = {name: np.asarray(values, types[name]) for name, values in inputs.items()}
    return session.run(None, arrays)[0][:, 0]
"""

LITSERVE = """
import sys

import litserve

class Model(litserve.LitAPI):
    def setup(self, device):
        from session import run

        self.run = run

    def predict(self, request):
        return {"predictions": self.run(request["inputs"]).tolist()}

if __name__ == "__main__":
    server = litserve.LitServer(Model(), accelerator="cpu", workers_per_device=1)
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
class Model:
    # Asynchronous, which spares it a thread for each request.
    @bentoml.api(route="/predict")
    async def predict(self, inputs: dict[str, list]) -> dict:
        return {"predictions": run(inputs).tolist()}
"""

MLSERVER = """
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceResponse

from session import run

def decoded(tensor):
    codec = StringCodec if tensor.datatype == "BYTES" else NumpyCodec
    return codec.decode_input(tensor)

class Model(MLModel):
    async def load(self):
        return True

    async def predict(self, payload):
        predictions = run({tensor.name: decoded(tensor) for tensor in payload.inputs})
        output = NumpyCodec.encode_output("predictions", predictions)
        return InferenceResponse(model_name=self.name, outputs=[output])
"""

MLSERVER_MODEL = {"name": "model", "implementation": "service.Model"}


class Peer(NamedTuple):
    """Another server: the files of its service, how to start it and how to ask it."""

    name: str
    files: dict[str, str]
    command: Callable[[int], list[str]]
    health: str
    request: Callable[[Inputs], Request]
    predictions: Callable[[Any], list[float]]


def _request(path: str, body: dict[str, Any]) -> Request:
    encoded = json.dumps(body, separators=(",", ":")).encode()
    return Request(path, {"Content-Type": "application/json"}, encoded)


def _by_name(inputs: Inputs) -> Request:
    return _request("/predict", {"inputs": inputs})


def _as_tensors(inputs: Inputs) -> Request:
    """In the Open Inference Protocol."""
    tensors = [_tensor(name, values) for name, values in inputs.items()]
    return _request("/v2/models/model/infer", {"inputs": tensors})


def _tensor(name: str, values: list[Any]) -> dict[str, Any]:
    array = np.array(values)
    return {
        "name": name,
        "shape": array.shape,
        "datatype": "BYTES" if array.dtype.kind == "U" else "FP64",
        "data": array.ravel().tolist(),
    }


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


PEERS = [
    Peer(
        "litserve",
        {"service.py": LITSERVE},
        lambda port: ["python", "service.py", str(port)],
        "/health",
        _by_name,
        lambda answer: answer["predictions"],
    ),
    Peer(
        "bentoml",
        {"service.py": BENTOML},
        lambda port: ["bentoml", "serve", "service:Model", "--host=127.0.0.1", f"--port={port}"],
        "/readyz",
        _by_name,
        lambda answer: answer["predictions"],
    ),
    Peer(
        "mlserver",
        {"service.py": MLSERVER, "model-settings.json": json.dumps(MLSERVER_MODEL)},
        lambda _: ["mlserver", "start", "."],
        "/v2/health/ready",
        _as_tensors,
        lambda answer: answer["outputs"][0]["data"],
    ),
]
