"""ONNX models of triples, layer after layer from their weights, without TensorFlow."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import onnx

from models.config import FEATURES
from models.data import Array
from models.onnx_graph import Graph


class Layer(NamedTuple):
    """`activation(kernelᵀ x + bias)`; of a cross layer, `x0 ⊙ (kernelᵀ x + bias) + x`."""

    kernel: Array
    """`(inputs, units)`."""
    bias: Array
    """`(units,)`."""
    kind: Literal["cross", "relu", "linear"]


def graph(layers: Sequence[Layer]) -> onnx.ModelProto:
    """The layers as a model from `features` `(batch, 3)` to `predictions` `(batch, 1)`."""
    made = Graph(rows_last=True)
    dtype = layers[0].kernel.dtype.name
    features = made.input("features", dtype, ["batch", FEATURES])
    x = x0 = made.apply("Transpose", features, name="rows_last")
    for layer in layers:
        affine = made.affine(x, layer.kernel, layer.bias)
        if layer.kind == "cross":
            product = made.apply("Mul", x0, affine, name="product")
            x = made.apply("Add", product, x, name="cross")
        else:
            x = made.apply("Relu", affine, name="relu") if layer.kind == "relu" else affine
    column = made.constant("column", np.array([-1, 1]))
    return made.model(made.apply("Reshape", x, column, name="predictions"), dtype)
