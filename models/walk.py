"""One walk through a Keras network, for all that is computed of its layers."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import keras

T = TypeVar("T")


def walk(
    network: keras.Model, inputs: Sequence[T], apply: Callable[[keras.Layer, Sequence[T]], T]
) -> T:
    """Computes `network` of `inputs`, one layer after the other; returns what the last one gives.

    The layers come in the order of `network.layers`, which is that of their weights in
    `network.get_weights()`. Each has one output and is called once.

    Args:
        inputs: What stands for the inputs of the network, in their order.
        apply: Gives what stands for a layer's output, of what stands for its inputs.
    """
    values = {id(of): value for of, value in zip(network.inputs, inputs, strict=True)}
    for layer in network.layers:
        if not isinstance(layer, keras.layers.InputLayer):
            given = [values[id(of)] for of in keras.tree.flatten(layer.input)]
            values[id(layer.output)] = apply(layer, given)
    return values[id(network.outputs[0])]


def call(layer: keras.Layer, inputs: Sequence[Any]) -> Any:
    """What Keras computes of a layer's inputs."""
    merges = isinstance(layer, keras.layers.Average | keras.layers.Concatenate)
    return layer(inputs) if merges else layer(*inputs)
