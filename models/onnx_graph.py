"""A network as an ONNX graph, from nothing but its weights."""

from collections.abc import Iterable, Sequence
from itertools import chain, count
from typing import Any, Literal, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from models.config import FEATURES
from models.data import Array

OPSET = 15
IR_VERSION = 8
"""Both old enough for every ONNX Runtime of the last years."""


class Layer(NamedTuple):
    """`activation(kernelᵀ x + bias)`; of a cross layer, `x0 ⊙ (kernelᵀ x + bias) + x`."""

    kernel: Array
    """`(inputs, units)`."""
    bias: Array
    """`(units,)`."""
    kind: Literal["cross", "relu", "linear"]


class Graph:
    """Inputs, and what is computed of them. Each method returns the name of what it adds."""

    def __init__(self) -> None:
        self._inputs: list[onnx.ValueInfoProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._names: set[str] = set()

    def input(self, name: str, dtype: str, shape: Sequence[str | int]) -> str:
        """Takes another input; before anything is computed, so that its name is still free."""
        self._inputs.append(helper.make_tensor_value_info(name, _element(dtype), shape))
        self._names.add(name)
        return name

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        """Keeps a weight."""
        name = self._free(name)
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def apply(self, operation: str, *inputs: str, name: str, **attributes: Any) -> str:
        """Computes `name` of the inputs."""
        name = self._free(name)
        self._nodes.append(helper.make_node(operation, inputs, [name], name=name, **attributes))
        return name

    def cast(self, value: str, dtype: str, name: str) -> str:
        """Computes `value` in another dtype."""
        return self.apply("Cast", value, name=name, to=_element(dtype))

    def layers(self, x0: str, layers: Sequence[Layer], rows_last: bool) -> str:
        """Computes the layers of `x0`, one after the other; its rows are its last or first axis."""
        x = x0
        for number, layer in enumerate(layers):
            kernel = self.constant(
                f"kernel_{number}", layer.kernel.T if rows_last else layer.kernel
            )
            bias = self.constant(
                f"bias_{number}", layer.bias[:, np.newaxis] if rows_last else layer.bias
            )
            factors = (kernel, x) if rows_last else (x, kernel)
            affine = self.apply("Gemm", *factors, bias, name=f"affine_{number}")
            if layer.kind == "cross":
                product = self.apply("Mul", x0, affine, name=f"product_{number}")
                x = self.apply("Add", product, x, name=f"cross_{number}")
            elif layer.kind == "relu":
                x = self.apply("Relu", affine, name=f"relu_{number}")
            else:
                x = affine
        return x

    def model(
        self, predictions: str, dtype: str, domains: Iterable[tuple[str, int]] = ()
    ) -> onnx.ModelProto:
        """All of it as a model that answers `predictions`, `(batch, 1)`."""
        output = helper.make_tensor_value_info(predictions, _element(dtype), ["batch", 1])
        made = helper.make_model(
            helper.make_graph(self._nodes, "crosscheck", self._inputs, [output], self._weights),
            opset_imports=[helper.make_opsetid(*domain) for domain in [("", OPSET), *domains]],
            ir_version=IR_VERSION,
        )
        onnx.checker.check_model(made, full_check=True)
        return made

    def _free(self, name: str) -> str:
        numbered = (f"{name}_{number}" for number in count(1))
        free = next(each for each in chain([name], numbered) if each not in self._names)
        self._names.add(free)
        return free


def graph(layers: Sequence[Layer]) -> onnx.ModelProto:
    """The layers as a model from `features` `(batch, 3)` to `predictions` `(batch, 1)`.

    Inside, the rows run along the last axis: ONNX Runtime multiplies narrow float64 matrices
    about four times faster so.
    """
    made = Graph()
    dtype = layers[0].kernel.dtype.name
    features = made.input("features", dtype, ["batch", FEATURES])
    rows_last = made.apply("Transpose", features, name="rows_last")
    x = made.layers(rows_last, layers, rows_last=True)
    column = made.constant("column", np.array([-1, 1]))
    return made.model(made.apply("Reshape", x, column, name="predictions"), dtype)


def _element(dtype: str) -> int:
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
