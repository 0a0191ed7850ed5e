"""A network as an ONNX graph, from nothing but its weights."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

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
    """`activation(kernelᵀ x + bias)`; of a cross layer, `features ⊙ (kernelᵀ x + bias) + x`."""

    kernel: Array
    """`(inputs, units)`."""
    bias: Array
    """`(units,)`."""
    kind: Literal["cross", "relu", "linear"]


def graph(layers: Sequence[Layer]) -> onnx.ModelProto:
    """The layers as a model from `features` `(batch, 3)` to `predictions` `(batch, 1)`.

    Inside, the rows run along the last axis: ONNX Runtime multiplies narrow float64 matrices
    about four times faster so.
    """
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def constant(name: str, value: NDArray[np.generic]) -> str:
        weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def apply(operation: str, *inputs: str, to: str) -> str:
        nodes.append(helper.make_node(operation, inputs, [to], name=to))
        return to

    x = rows_last = apply("Transpose", "features", to="rows_last")
    for number, layer in enumerate(layers):
        kernel = constant(f"kernel_{number}", layer.kernel.T)
        bias = constant(f"bias_{number}", layer.bias[:, np.newaxis])
        affine = apply("Gemm", kernel, x, bias, to=f"affine_{number}")
        if layer.kind == "cross":
            product = apply("Mul", rows_last, affine, to=f"product_{number}")
            x = apply("Add", product, x, to=f"cross_{number}")
        else:
            x = apply("Relu", affine, to=f"relu_{number}") if layer.kind == "relu" else affine
    apply("Reshape", x, constant("column", np.array([-1, 1])), to="predictions")

    element = helper.np_dtype_to_tensor_dtype(layers[0].kernel.dtype)
    features = helper.make_tensor_value_info("features", element, ["batch", FEATURES])
    predictions = helper.make_tensor_value_info("predictions", element, ["batch", 1])
    made = helper.make_model(
        helper.make_graph(nodes, "crosscheck", [features], [predictions], weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(made, full_check=True)
    return made
