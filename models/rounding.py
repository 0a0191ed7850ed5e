"""The most by which rounding makes two evaluations of a network differ."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from models.data import Array
from models.embeddings import Embeddings, NumericEmbeddings
from models.layers import CrossLayer
from models.walk import walk

ROWS_AT_ONCE = 1024
"""What all layers give is in memory for so many rows."""


FUNCTION = 8
"""So many units of rounding two evaluations of a sine, a hyperbolic tangent, … differ at most."""


class Rounded(NamedTuple):
    """What a layer gives, and by how much two evaluations of it may differ."""

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
    dtype = network.outputs[0].dtype
    eps = float(np.finfo(dtype).eps)
    errors = []
    for start in range(0, len(inputs[0]), ROWS_AT_ONCE):
        x, *codes = (each[start : start + ROWS_AT_ONCE] for each in inputs)
        numbers = x.astype(dtype)
        given: list[Any] = [Rounded(numbers, operations * eps * np.abs(numbers)), *codes]
        errors.append(walk(network, given, partial(_apply, eps)).error[:, 0])
    return np.concatenate(errors, dtype=np.float64)


def _apply(eps: float, layer: keras.Layer, inputs: Sequence[Any]) -> Rounded:
    weights = layer.get_weights()
    x, *others = inputs
    match layer:
        case Embeddings():
            return _embed(weights, x, *others)
        case NumericEmbeddings():
            return _embed_numbers(eps, weights, x)
        case CrossLayer():
            return _cross(eps, weights, x, *others)
        case keras.layers.Dense():
            affine = _affine(eps, x, *weights)
            return _relu(affine) if layer.activation is keras.activations.relu else affine
        case keras.layers.Concatenate():
            return _joined(inputs)
        case keras.layers.Average():
            return _mean(eps, inputs)
    raise TypeError(f"{layer.name} is of no kind that is known here")


def _affine(eps: float, x: Rounded, kernel: Array, bias: Array | float = 0.0) -> Rounded:
    # One product for the error that is passed on and the layer's own: they take all the time.
    own = (kernel.shape[-2] + 1) * eps
    error = (x.error + own * np.abs(x.values)) @ np.abs(kernel) + own * np.abs(bias)
    return Rounded(x.values @ kernel + bias, error)


def _times(eps: float, x: Rounded, y: Rounded) -> Rounded:
    values = x.values * y.values
    passed_on = x.error * np.abs(y.values) + (np.abs(x.values) + x.error) * y.error
    return Rounded(values, passed_on + eps * np.abs(values))


def _tanh(eps: float, x: Rounded) -> Rounded:
    # It rises by 1 at most.
    return Rounded(np.tanh(x.values), x.error + FUNCTION * eps)


def _softmax(eps: float, x: Rounded) -> Rounded:
    below = x.values - x.values.max(axis=-1, keepdims=True)
    powers = np.exp(below)
    values = powers / powers.sum(axis=-1, keepdims=True)
    # An exponent that is wrong by so much makes its power wrong by that part of it.
    exponents = x.error + eps * (np.abs(below) + FUNCTION)
    passed_on = exponents + (values * exponents).sum(axis=-1, keepdims=True)
    return Rounded(values, values * (passed_on + x.values.shape[-1] * eps))


def _relu(x: Rounded) -> Rounded:
    return x._replace(values=np.maximum(x.values, 0))


def _cross(eps: float, weights: Sequence[Array], x0: Rounded, x: Rounded) -> Rounded:
    *low_rank, kernel, bias = weights
    product = _times(eps, x0, _affine(eps, _inner(eps, low_rank, x), kernel, bias))
    values = product.values + x.values
    return Rounded(values, product.error + x.error + eps * np.abs(values))


def _inner(eps: float, weights: Sequence[Array], x: Rounded) -> Rounded:
    """What the last kernel of a cross layer is multiplied with."""
    match weights:
        case [down]:
            return _affine(eps, x, down)
        case [mixing, down, gate]:
            gates = _softmax(eps, _affine(eps, x, gate))
            low = _tanh(eps, _affine(eps, x, down))
            experts = zip(mixing, _apart(low, len(mixing)), _apart(gates, len(mixing)), strict=True)
            return _joined(
                [
                    _times(eps, _tanh(eps, _affine(eps, of_one, kernel)), its_gate)
                    for kernel, of_one, its_gate in experts
                ]
            )
    return x


def _mean(eps: float, parts: Sequence[Rounded]) -> Rounded:
    values, errors = (np.stack(each) for each in zip(*parts, strict=True))
    own = (len(parts) + 1) * eps * np.abs(values).mean(axis=0)
    return Rounded(values.mean(axis=0), errors.mean(axis=0) + own)


def _apart(x: Rounded, parts: int) -> list[Rounded]:
    return [Rounded(*pair) for pair in zip(*(np.split(of, parts, axis=1) for of in x), strict=True)]


def _joined(parts: Sequence[Rounded]) -> Rounded:
    values, errors = zip(*parts, strict=True)
    return Rounded(np.concatenate(values, axis=1), np.concatenate(errors, axis=1))


def _embed(matrices: Sequence[Array], numbers: Rounded, codes: NDArray[np.integer]) -> Rounded:
    embedded = [matrix[of_one] for matrix, of_one in zip(matrices, codes.T, strict=True)]
    return _joined([numbers, *(Rounded(each, np.zeros_like(each)) for each in embedded)])


def _embed_numbers(eps: float, weights: Sequence[Array], x: Rounded) -> Rounded:
    frequencies, kernel, bias = weights
    numbers, width = bias.shape
    scales = 2 * np.pi * frequencies[:, np.newaxis]
    values, error = (of[:, :numbers].T[..., np.newaxis] for of in x)
    angles = values * scales
    waves = Rounded(
        np.concatenate([np.sin(angles), np.cos(angles)], axis=-1),
        np.tile(error * np.abs(scales) + 2 * eps * np.abs(angles) + FUNCTION * eps, 2),
    )
    embedded = _affine(eps, waves, kernel, bias[:, np.newaxis])
    flat = (np.moveaxis(of, 0, 1).reshape(-1, numbers * width) for of in embedded)
    others = (of[:, numbers:] for of in x)
    return _joined([_relu(Rounded(*flat)), Rounded(*others)])
