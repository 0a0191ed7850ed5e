"""The most by which rounding makes two evaluations of a network differ."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from models.data import Array
from models.layers import CrossLayer, Embeddings
from models.walk import walk

ROWS_AT_ONCE = 1024
"""What all layers give is in memory for so many rows."""


class Rounded(NamedTuple):
    """What a layer gives in float64, and by how much two evaluations of it may differ."""

    values: Array
    """`(rows, units)`."""
    error: Array
    """Of the same shape."""


def rounding(network: keras.Model, *inputs: NDArray[np.number], operations: int = 0) -> Array:
    """The most by which two evaluations of `network` differ, for each row, `(rows,)`.

    A sum of n products, added up in any order, errs by at most n units of rounding times the sum
    of the products' absolute values (Higham, Accuracy and Stability of Numerical Algorithms, 2nd
    edition, section 3.1). Each layer passes on the errors of its inputs and adds its own. Weights
    that cancel each other make this much larger than the predictions' own rounding.

    Args:
        inputs: Those of the network, the rows first.
        operations: Those on the way to a number that the network takes.
    """
    eps = float(np.finfo(network.outputs[0].dtype).eps)
    errors = []
    for start in range(0, len(inputs[0]), ROWS_AT_ONCE):
        numbers, *codes = (each[start : start + ROWS_AT_ONCE] for each in inputs)
        exact = numbers.astype(np.float64)
        x = Rounded(exact, operations * eps * np.abs(exact))
        given: list[Any] = [x, *codes]
        errors.append(walk(network, given, partial(_apply, eps)).error[:, 0])
    return np.concatenate(errors)


def _apply(eps: float, layer: keras.Layer, inputs: Sequence[Any]) -> Rounded:
    weights = layer.get_weights()
    x, *others = inputs
    match layer:
        case Embeddings():
            return _embed(weights, x, *others)
        case CrossLayer():
            return _cross(eps, weights, x, *others)
        case keras.layers.Dense():
            return _activated(layer, _affine(eps, x, *weights))
    raise TypeError(f"{layer.name} is of no kind that is known here")


def _affine(eps: float, x: Rounded, kernel: Array, bias: Array) -> Rounded:
    products = np.abs(x.values) @ np.abs(kernel) + np.abs(bias)
    own = (len(kernel) + 1) * eps * products
    return Rounded(x.values @ kernel + bias, x.error @ np.abs(kernel) + own)


def _activated(layer: keras.Layer, x: Rounded) -> Rounded:
    if layer.activation is keras.activations.relu:
        return x._replace(values=np.maximum(x.values, 0))
    return x


def _cross(eps: float, weights: Sequence[Array], x0: Rounded, x: Rounded) -> Rounded:
    affine = _affine(eps, x, *weights)
    product = x0.values * affine.values
    passed_on = x0.error * np.abs(affine.values) + (np.abs(x0.values) + x0.error) * affine.error
    own = 2 * eps * (np.abs(product) + np.abs(x.values))
    return Rounded(product + x.values, passed_on + x.error + own)


def _embed(matrices: Sequence[Array], numbers: Rounded, codes: NDArray[np.integer]) -> Rounded:
    embedded = [matrix[of_one] for matrix, of_one in zip(matrices, codes.T, strict=True)]
    nothing = [np.zeros_like(each) for each in embedded]
    return Rounded(
        np.concatenate([numbers.values, *embedded], axis=1),
        np.concatenate([numbers.error, *nothing], axis=1),
    )
