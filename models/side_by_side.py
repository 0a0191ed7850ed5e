"""Networks of one shape that are trained side by side, and their optimizer."""

import math
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import count
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.config import GradientDescent
from models.forward import forward
from models.walk import walk

_OPTIMIZERS: dict[str, Callable[..., keras.optimizers.Optimizer]] = {
    "adagrad": keras.optimizers.Adagrad,
    "adam": keras.optimizers.Adam,
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
    "nadam": keras.optimizers.Nadam,
    "adamw": keras.optimizers.AdamW,
}


NEVER_DECAYING = ("bias", "frequencies")
"""Weights by their names: one that is 0 makes no network simpler."""


def make_optimizer(config: GradientDescent, weight_decay: float = 0) -> keras.optimizers.Optimizer:
    """Makes the Keras optimizer that `config` names. Without a weight decay it has Keras's own."""
    own = {"weight_decay": weight_decay} if weight_decay else {}
    return _OPTIMIZERS[config.name](config.learning_rate, **own)


def squared_error(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """The squared error of each row."""
    return tf.square(outputs - targets)


class SideBySide:
    """Networks of one shape, `width` of them, each with weights of its own, and their optimizer.

    Args:
        dropout: The part of the hidden units that is left out of an update, others in each
            network and each update. The units that stay are larger by as much.
        weight_decay: Of kernels and embeddings, which shrink by this part of the learning rate
            with each update.
    """

    def __init__(
        self,
        network: keras.Model,
        width: int,
        optimizer: GradientDescent,
        loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = squared_error,
        *,
        dropout: float = 0,
        weight_decay: float = 0,
    ) -> None:
        self.network = network
        self.width = width
        self.loss = loss
        self.dropout = dropout
        self.seed = tf.Variable(0, dtype=tf.int64)
        # A model's own dtype is Keras's global one, whatever its layers have.
        dtype = network.inputs[0].dtype
        self.variables = [
            keras.Variable(np.zeros((width, *weight.shape, 1)), dtype=dtype)
            for weight in network.weights
        ]
        self.values = [variable.value for variable in self.variables]
        self.given = optimizer
        self.optimizer = make_optimizer(optimizer, weight_decay)
        if weight_decay:
            named = zip(network.weights, self.variables, strict=True)
            spared = [variable for weight, variable in named if weight.name in NEVER_DECAYING]
            self.optimizer.exclude_from_weight_decay(spared)
        self.optimizer.build(self.variables)
        self.fresh = [variable.numpy() for variable in self.optimizer.variables]
        self.first = first_weights(network)

    def start_from(self, networks: Sequence[keras.Model], draw: np.random.Generator) -> None:
        """Takes over the weights of `networks`; the optimizer forgets what it knew.

        With dropout, `draw` decides which units will be left out.
        """
        starts = zip(*(network.get_weights() for network in networks), strict=True)
        for variable, start in zip(self.variables, starts, strict=True):
            variable.assign(np.stack(start)[..., np.newaxis])
        for variable, value in zip(self.optimizer.variables, self.fresh, strict=True):
            variable.assign(value)
        if self.dropout:
            self.seed.assign(draw.integers(2**62))

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Sets the learning rate of an epoch, from 0, of so many, as the schedule has it.

        cosine: Loshchilov & Hutter, "SGDR" (2017), equation 5, without restarts.
        """
        if self.given.schedule == "cosine":
            part = (1 + math.cos(math.pi * epoch / epochs)) / 2
            self.optimizer.learning_rate.assign(part * self.given.learning_rate)

    def weights(self) -> list[NDArray[Any]]:
        """The weights of all networks, `(networks, …)` each, in the order of `get_weights`."""
        return [variable.numpy()[..., 0] for variable in self.variables]

    def update(self, targets: tf.Tensor, *features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Updates by one batch: the mean loss, and the first weights' largest gradient, of each."""
        how = {"hidden": self._dropping()} if self.dropout else {}
        with tf.GradientTape() as tape:
            outputs = forward(self.network, self.values, *features, **how)
            losses = tf.reduce_mean(self.loss(outputs, targets), axis=-1)
        # The networks share no weight, so each gets the gradient of its own loss.
        gradients = tape.gradient(losses, self.values)
        self.optimizer.apply(gradients, self.variables)
        first = [gradients[index] for index in self.first]
        largest = [tf.reduce_max(tf.abs(each), axis=range(1, len(each.shape))) for each in first]
        return losses, reduce(tf.maximum, largest)

    def _dropping(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """What leaves units out: which ones follows from the seed, the layer and the update."""
        layers, step = count(), self.optimizer.iterations.value

        def drop(units: tf.Tensor) -> tf.Tensor:
            seed = tf.stack([self.seed + next(layers), step])
            # Of the algorithms, the one that XLA computes several times faster here.
            drawn = tf.random.stateless_uniform(units.shape, seed, alg="threefry")
            stays = drawn >= self.dropout
            return tf.where(stays, units / (1 - self.dropout), 0)

        return drop


def first_weights(network: keras.Model) -> list[int]:
    """Where in its weights those are that no others stand before, the first of each layer."""
    first: list[int] = []
    passed = count()

    def apply(layer: keras.Layer, behind: Sequence[bool]) -> bool:
        """Whether there are weights before what comes next."""
        own = [next(passed) for _ in layer.weights]
        if not any(behind):
            first.extend(own[:1])
        return any(behind) or bool(own)

    walk(network, [False] * len(network.inputs), apply)
    return first
