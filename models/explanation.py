"""What a trained network found: which features its cross layers multiply, and how strongly."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from models.config import NumericEmbedding
from models.data import Array
from models.interactions import Interaction, interactions, positions, second_order
from models.layers import CrossLayer
from models.preprocessing import Preprocessing

Where = Mapping[str, Sequence[int]]
"""Of each feature, where it is in `x0`."""


def where_in_x0(preprocessing: Preprocessing, embedding: NumericEmbedding | None) -> Where:
    """Where each feature of a table is in `x0`, also if numbers are embedded."""
    plain = positions(preprocessing)
    if embedding is None:
        return plain
    numbers = len(preprocessing.numbers)
    more = numbers * (embedding.width - 1)
    return {
        name: [
            place
            for index in its
            for place in (
                range(index * embedding.width, (index + 1) * embedding.width)
                if index < numbers
                else [index + more]
            )
        ]
        for name, its in plain.items()
    }


def crosses(network: keras.Model, inputs: Any, where: Where) -> list[Interaction] | None:
    """The strength of each pair of features in the cross layers of `network`, the strongest first.

    Of an ensemble it is the mean over its members. None, if there are no cross layers, or if they
    are mixtures of experts, which have no kernel of their own: it depends on the row.

    Args:
        inputs: Rows as the network takes them, by which the spread of `x0` is known.
        where: Of each feature, where it is in `x0`.
    """
    found = [_of_one(member, inputs, where) for member in _members(network)]
    strengths: dict[tuple[str, str], list[float]] = {}
    for pairs in found:
        if pairs is None:
            return None
        for pair in pairs:
            strengths.setdefault((pair.a, pair.b), []).append(pair.strength)
    means = (Interaction(a, b, float(np.mean(of))) for (a, b), of in strengths.items())
    return sorted(means, key=lambda pair: -pair.strength)


def _members(network: keras.Model) -> list[keras.Model]:
    """Those whose mean the network is; else itself."""
    mean = network.layers[-1]
    if not isinstance(mean, keras.layers.Average):
        return [network]
    return [keras.Model(network.input, output) for output in mean.input]


def _of_one(network: keras.Model, inputs: Any, where: Where) -> list[Interaction] | None:
    layers = [layer for layer in network.layers if isinstance(layer, CrossLayer)]
    if not layers or layers[0].experts > 1:
        return None
    x0 = layers[0].input[0]
    values = np.asarray(keras.Model(network.input, x0)(inputs), np.float64)
    kernel = second_order(
        [_kernel(layer) for layer in layers], [layer.affine.get_weights()[1] for layer in layers]
    )
    return interactions(kernel, where, _output(network, layers[-1]), values.std(axis=0))


def _kernel(layer: CrossLayer) -> Array:
    kernel: Array = layer.affine.get_weights()[0]
    return kernel if layer.rank is None else layer.down.get_weights()[0] @ kernel


def _output(network: keras.Model, last: CrossLayer) -> Array | None:
    """The weights of the linear unit that see the last cross layer; None if ReLU layers do."""
    linear = network.layers[-1]
    sees = keras.tree.flatten(linear.input)[0]
    joined = next(
        (
            layer
            for layer in network.layers
            if isinstance(layer, keras.layers.Concatenate) and layer.output is sees
        ),
        None,
    )
    first = sees if joined is None else keras.tree.flatten(joined.input)[0]
    if first is not last.output:
        return None
    weights: Array = linear.get_weights()[0][: first.shape[1], 0]
    return weights
