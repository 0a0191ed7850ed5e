"""A network as one pure function of its weights."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

import keras
import tensorflow as tf

from models.embeddings import Embeddings, NumericEmbeddings
from models.layers import CrossLayer
from models.walk import walk
from models.waves import waves

NARROW = 32
"""Up to so many weights a product that fuses with its neighbours keeps up with a matrix product."""


def forward(
    network: keras.Model,
    weights: Iterable[Any],
    *inputs: Any,
    hidden: Callable[[Any], Any] = lambda units: units,
) -> Any:
    """What `network` computes, as a pure function of `weights`, with the rows last.

    XLA compiles matrix products of width 3 to code that is several times faster where the
    rows run along the last axis, and leading axes let one program hold many networks.

    Args:
        network: One of `models.networks`.
        weights: The weights of `network` in its order, `(…, *shape, 1)`. The last axis may have as
            many elements as there are rows: then each row has weights of its own; embeddings know
            no such thing.
        inputs: The features, `(3, rows)`; of a table the numbers, `(numeric_width, rows)`, and
            the codes, `(categorical features, rows)`.
        hidden: What becomes of the units of a hidden layer, `(…, units, rows)`.

    Returns:
        The predictions, `(…, rows)`.
    """
    left = iter(weights)

    def apply(layer: keras.Layer, values: Sequence[Any]) -> Any:
        of_layer = list(islice(left, len(layer.weights)))
        output = _apply(layer, of_layer, *values)
        return hidden(output) if _is_hidden(layer) else output

    return walk(network, inputs, apply)[..., 0, :]


def _is_hidden(layer: keras.Layer) -> bool:
    """Whether it is a fully connected layer of ReLU units."""
    dense = isinstance(layer, keras.layers.Dense)
    return dense and layer.activation is keras.activations.relu


def _apply(layer: keras.Layer, weights: Sequence[Any], x: Any, *others: Any) -> Any:
    match layer:
        case Embeddings():
            return _embed(weights, x, *others)
        case NumericEmbeddings():
            return _embed_numbers(weights, x)
        case CrossLayer():
            return _cross(weights, x, *others)
        case keras.layers.Dense():
            kernel, bias = weights
            return layer.activation(_product(kernel, x) + bias)
        case keras.layers.Concatenate():
            return _joined([x, *others])
        case keras.layers.Average():
            return sum(others, x) / (1 + len(others))
    raise TypeError(f"{layer.name} is of no kind that is known here")


def _cross(weights: Sequence[Any], x0: Any, x: Any) -> Any:
    *low_rank, kernel, bias = weights
    return x0 * (_product(kernel, _inner(low_rank, x)) + bias) + x


def _inner(weights: Sequence[Any], x: Any) -> Any:
    """What the last kernel of a cross layer is multiplied with."""
    match weights:
        case [down]:
            return _product(down, x)
        case [mixing, down, gate]:
            low = tf.tanh(_product(down, x))
            apart = (*low.shape[:-2], *mixing.shape[-4:-2], low.shape[-1])
            low = tf.tanh(_product(mixing, tf.reshape(low, apart)))
            gates = tf.nn.softmax(_product(gate, x), axis=-2)
            mixed = low * gates[..., tf.newaxis, :]
            return tf.reshape(mixed, (*apart[:-3], apart[-3] * apart[-2], apart[-1]))
    return x


def _embed(matrices: Sequence[Any], numbers: Any, codes: Any) -> Any:
    """`x0` `(…, width, rows)`: the numbers, then the embeddings of the codes."""
    if not matrices:
        return numbers
    embedded = [
        tf.linalg.matrix_transpose(tf.gather(matrix[..., 0], codes[index], axis=-2))
        for index, matrix in enumerate(matrices)
    ]
    return _joined([numbers, *embedded])


def _embed_numbers(weights: Sequence[Any], x: Any) -> Any:
    frequencies, kernel, bias = weights
    numbers, width = bias.shape[-3:-1]
    turns = frequencies * x[:numbers, tf.newaxis, :]
    embedded = tf.nn.relu(_product(kernel, waves(turns)) + bias)
    flat = tf.reshape(embedded, (*embedded.shape[:-3], numbers * width, x.shape[-1]))
    return _joined([flat, x[numbers:]])


def _joined(parts: Sequence[Any]) -> Any:
    """All numbers of a row, one after the other; some may be the same in all networks."""
    leading = max((part.shape[:-2] for part in parts), key=len)
    return tf.concat([tf.broadcast_to(p, (*leading, *p.shape[-2:])) for p in parts], axis=-2)


def _product(kernel: Any, x: Any) -> Any:
    """`kernelᵀ x` for a kernel `(…, inputs, units, 1 or rows)` and `x` `(…, inputs, rows)`."""
    inputs, units, rows = kernel.shape[-3:]
    if rows == 1 and inputs * units > NARROW:
        return tf.matmul(kernel[..., 0], x, transpose_a=True)
    return tf.reduce_sum(kernel * x[..., :, tf.newaxis, :], axis=-3)
