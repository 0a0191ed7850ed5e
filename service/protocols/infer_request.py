"""What is asked of `infer` in the Open Inference Protocol: JSON, and raw bytes behind it."""

from typing import Literal

import msgspec

from service.errors import Invalid
from service.protocols.json_rows import ABSENT
from service.protocols.tensors import Tensor


class InputParameters(msgspec.Struct):
    binary_data_size: int | None = None


class Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw = ABSENT
    parameters: InputParameters | None = None


class Triples(msgspec.Struct):
    """Triples as they are asked for most, and read at once."""

    name: Literal["features"]
    shape: tuple[int, int]
    datatype: Literal["FP64"]
    data: list[float]
    parameters: None = None


class OutputParameters(msgspec.Struct):
    binary_data: bool | None = None
    classification: int = 0


class Output(msgspec.Struct):
    name: str
    parameters: OutputParameters | None = None


class Parameters(msgspec.Struct):
    binary_data_output: bool = False


class Request(msgspec.Struct, kw_only=True):
    id: str | None = None
    parameters: Parameters | None = None
    outputs: list[Output] | None = None


class OfTriples(Request):
    inputs: tuple[Triples]


class OfTensors(Request):
    inputs: list[Input]


def tensors(inputs: list[Input], raw: memoryview) -> list[Tensor]:
    """The tensors with their data; raw bytes lie one behind the other, in the order of inputs."""
    found, place = [], 0
    for given in inputs:
        data: msgspec.Raw | memoryview = given.data
        size = given.parameters.binary_data_size if given.parameters else None
        tensor = Tensor(given.name, tuple(given.shape), given.datatype, data)
        if size is not None:
            if given.data:
                raise tensor.refusal("it has data, and binary_data_size beside it")
            if not 0 <= size <= len(raw) - place:
                raise tensor.refusal("binary_data_size: the body has no such number of bytes")
            tensor = tensor._replace(data=raw[place : place + size])
            place += size
        elif not given.data:
            raise tensor.refusal("it has neither data nor binary_data_size")
        found.append(tensor)
    if place != len(raw):
        raise Invalid(f"the body has {len(raw)} raw bytes, and its inputs {place}")
    return found
