"""For Triton: a model repository with one model, which its ONNX Runtime backend runs."""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from service.export.chosen import Chosen, Tensor, tensors

TYPES: Mapping[str, str] = {
    "tensor(float)": "TYPE_FP32",
    "tensor(double)": "TYPE_FP64",
    "tensor(string)": "TYPE_STRING",
}


def write(version: Chosen, folder: Path) -> None:
    """Writes `{dataset}_{network}/config.pbtxt` and `…/{version}/model.onnx`."""
    name = f"{version.dataset}_{version.network}"
    numbered = folder / name / str(version.version)
    numbered.mkdir(parents=True)
    shutil.copyfile(version.onnx, numbered / "model.onnx")
    (folder / name / "config.pbtxt").write_text(_config(name, *tensors(version.onnx)), "utf-8")


def _config(name: str, inputs: Iterable[Tensor], outputs: Iterable[Tensor]) -> str:
    # With 0 the dimensions are all that there are, the rows among them: columns of a table have
    # no others, and a shape without any cannot be written where Triton adds that of the batch.
    lines = [f"name: {_quoted(name)}", 'platform: "onnxruntime_onnx"', "max_batch_size: 0"]
    lines += [_declared("input", each) for each in inputs]
    lines += [_declared("output", each) for each in outputs]
    return "\n".join([*lines, ""])


def _declared(kind: str, tensor: Tensor) -> str:
    dims = ", ".join(map(str, tensor.shape))
    about = f"name: {_quoted(tensor.name)} data_type: {TYPES[tensor.type]} dims: [ {dims} ]"
    return f"{kind} [ {{ {about} }} ]"


def _quoted(text: str) -> str:
    """A string as protobuf's text format has it."""
    return json.dumps(text, ensure_ascii=False)
