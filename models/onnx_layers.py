"""The layers of a network as a part of an ONNX graph."""

from collections.abc import Sequence
from math import pi
from typing import Any

import keras
import numpy as np
import onnx

from models.config import FEATURES
from models.data import Array
from models.embeddings import Embeddings, NumericEmbeddings
from models.layers import CrossLayer
from models.onnx_graph import Graph
from models.walk import walk

AT_ONCE = 16
"""ONNX Runtime computes so many sines, or a half or a quarter, at a time, and others otherwise."""


def graph(network: keras.Model) -> onnx.ModelProto:
    """A network of triples as a model from `features` `(batch, 3)` to `predictions` `(batch, 1)`.

    Inside, the rows run along the last axis: ONNX Runtime multiplies narrow float64 matrices
    about four times faster so.
    """
    made = Graph(rows_last=True)
    dtype = network.inputs[0].dtype
    features = made.input("features", dtype, ["batch", FEATURES])
    x = add_layers(made, network, made.apply("Transpose", features, name="rows_last"))
    column = made.constant("column", np.array([-1, 1]))
    return made.model(made.apply("Reshape", x, column, name="predictions"), dtype)


def add_layers(made: Graph, network: keras.Model, *inputs: Any) -> str:
    """Computes `network` of `inputs`, and returns the name of what it gives.

    Args:
        inputs: What the features are called; of a table what its numbers are called, empty if
            there are none, and its codes, one name a feature.
    """

    def apply(layer: keras.Layer, given: Sequence[Any]) -> Any:
        weights = layer.get_weights()
        match layer:
            case Embeddings():
                return _embed(made, weights, *given)
            case NumericEmbeddings():
                others = layer.input.shape[-1] - layer.numbers
                return _embed_numbers(made, weights, given[0], others)
            case CrossLayer():
                return _cross(made, weights, *given)
            case keras.layers.Dense():
                return _activated(made, layer, made.affine(*given, *weights))
            case keras.layers.Concatenate():
                return made.join(*given, name="joined")
            case keras.layers.Average():
                # ONNX Runtime knows a mean of float32 alone.
                members = made.constant("members", np.array(len(given), layer.compute_dtype))
                total = made.apply("Sum", *given, name="total")
                return made.apply("Div", total, members, name="mean")
        raise TypeError(f"{layer.name} is of no kind that is known here")

    return str(walk(network, inputs, apply))


def _activated(made: Graph, layer: keras.layers.Dense, x: str) -> str:
    if layer.activation is keras.activations.relu:
        return made.apply("Relu", x, name="relu")
    if layer.activation is keras.activations.linear:
        return x
    raise ValueError(f"no ONNX operation is known for {layer.activation}")


def _cross(made: Graph, weights: Sequence[Array], x0: str, x: str) -> str:
    *low_rank, kernel, bias = weights
    affine = made.affine(_inner(made, low_rank, x), kernel, bias)
    product = made.apply("Mul", x0, affine, name="crossed")
    return made.apply("Add", product, x, name="cross")


def _inner(made: Graph, weights: Sequence[Array], x: str) -> str:
    """What the last kernel of a cross layer is multiplied with."""
    match weights:
        case [down]:
            return made.product(x, down)
        case [mixing, down, gate]:
            low = made.apply("Tanh", made.product(x, down), name="low")
            gates = made.apply("Softmax", made.product(x, gate), name="gates", axis=made.axis)
            experts, rank = mixing.shape[:2]
            lows, its_gates = made.split(low, [rank] * experts), made.split(gates, [1] * experts)
            parts = zip(mixing, lows, its_gates, strict=True)
            mixed = [_expert(made, *part) for part in parts]
            return made.join(*mixed, name="mixed")
    return x


def _expert(made: Graph, kernel: Array, low: str, gate: str) -> str:
    said = made.apply("Tanh", made.product(low, kernel), name="expert")
    return made.apply("Mul", said, gate, name="gated")


def _embed(made: Graph, matrices: Sequence[Array], numbers: str, codes: Sequence[str]) -> str:
    """`x0`: the numbers, then the embeddings of the codes."""
    parts = [numbers] if numbers else []
    for matrix, code in zip(matrices, codes, strict=True):
        table = made.constant("embeddings", matrix)
        parts.append(made.apply("Gather", table, code, name="embedded", axis=0))
    return made.join(*parts, name="x0")


def _embed_numbers(made: Graph, weights: Sequence[Array], x: str, others: int) -> str:
    """The rows are those of a table and run along the first axis; `others` are no numbers."""
    frequencies, kernels, biases = weights
    numbers, width = biases.shape
    # Waves of frequency 0 that nobody listens to: with as many as fit, a row is computed alike
    # wherever it stands among others.
    missing = -frequencies.shape[1] % AT_ONCE
    scales = np.pad(2 * pi * frequencies, [(0, 0), (0, missing)])
    both = np.pad(kernels.reshape(numbers, 2, -1, width), [(0, 0), (0, 0), (0, missing), (0, 0)])
    kernels = both.reshape(numbers, -1, width)
    waves = kernels.shape[1]
    values, *rest = made.split(x, [numbers, others] if others else [numbers])
    apart = made.constant("apart", np.array([-1, numbers, 1]))
    flat = made.constant("flat", np.array([-1, numbers * waves]))
    column = made.apply("Reshape", values, apart, name="column")
    angles = made.apply("Mul", column, made.constant("scales", scales), name="angles")
    said = [made.apply(wave, angles, name=wave.lower()) for wave in ("Sin", "Cos")]
    joined = made.apply("Concat", *said, name="waves", axis=2)
    each = made.split(made.apply("Reshape", joined, flat, name="waves"), [waves] * numbers)
    # A product each: ONNX Runtime packs matrices, but no stack of them.
    affine = [made.affine(*of_one) for of_one in zip(each, kernels, biases, strict=True)]
    embedded = made.apply("Relu", made.join(*affine, name="affine"), name="relu")
    return made.join(embedded, *rest, name="embedded_numbers")
