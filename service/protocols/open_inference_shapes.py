"""What the Open Inference Protocol's endpoints answer, as the OpenAPI document has it."""

from typing import Any, Literal

from service.schemas import Schema


class ServerLive(Schema):
    """The process answers."""

    live: Literal[True] = True


class ServerReady(Schema):
    """Whether the service can predict."""

    ready: bool


class ServerMetadata(Schema):
    """What answers, and what it can beyond the protocol."""

    name: str = "crosscheck"
    version: str
    extensions: tuple[str, ...] = ("binary_tensor_data",)


class TensorMetadata(Schema):
    """An input or the output; of -1, the shape says that it may be any number."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(Schema):
    """What a model takes and says, and its versions that can be asked: the serving one first."""

    name: str
    versions: list[str]
    platform: Literal["onnx_onnxv1"] = "onnx_onnxv1"
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelReady(Schema):
    """That a model can be asked; else the answer is 404."""

    name: str
    ready: Literal[True] = True


class IndexEntry(Schema):
    """A model that serves; without its version, where the better of several answers."""

    name: str
    version: str | None = None
    state: Literal["READY"] = "READY"
    reason: str = ""


class OutputTensor(TensorMetadata):
    """Predictions as JSON; as raw bytes, they stand behind it."""

    data: list[float] | None = None
    parameters: dict[str, Any] | None = None


class Inferred(Schema):
    """The predictions and who made them."""

    model_name: str
    model_version: str
    id: str
    outputs: list[OutputTensor]
