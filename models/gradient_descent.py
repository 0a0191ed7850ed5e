"""Gradient descent: the updates of `keras.Model.fit`, compiled.

The same batches in the same order through the same optimizers, so the same weights up to
rounding; but one XLA program runs a whole epoch, where `fit` goes through Python, TensorFlow's
executor and `tf.data` once a batch of a few microseconds' arithmetic.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.config import GradientDescent
from models.data import Split
from models.forward import forward

_OPTIMIZERS: dict[str, Callable[[float], keras.optimizers.Optimizer]] = {
    "adagrad": keras.optimizers.Adagrad,
    "adam": keras.optimizers.Adam,
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
    "nadam": keras.optimizers.Nadam,
    "adamw": keras.optimizers.AdamW,
}


class Epoch(NamedTuple):
    """What one pass over the rows says of each network; both `(networks,)`."""

    losses: NDArray[Any]
    """The mean squared error, as met while training."""
    learning: NDArray[np.bool_]
    """Whether a gradient reached the first layer; none does while all units of a layer are dead."""


def make_optimizer(config: GradientDescent) -> keras.optimizers.Optimizer:
    """Makes the Keras optimizer that `config` names."""
    return _OPTIMIZERS[config.name](config.learning_rate)


def squared_error(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """The squared error of each row."""
    return tf.square(outputs - targets)


class SideBySide:
    """Networks of one shape, `width` of them, each with weights of its own, and their optimizer."""

    def __init__(
        self,
        network: keras.Model,
        width: int,
        optimizer: GradientDescent,
        loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = squared_error,
    ) -> None:
        self.network = network
        self.width = width
        self.loss = loss
        # A model's own dtype is Keras's global one, whatever its layers have.
        dtype = network.inputs[0].dtype
        shapes = [weights.shape for weights in network.get_weights()]
        self.variables = [
            keras.Variable(np.zeros((width, *shape, 1)), dtype=dtype) for shape in shapes
        ]
        self.values = [variable.value for variable in self.variables]
        self.optimizer = make_optimizer(optimizer)
        self.optimizer.build(self.variables)
        self.fresh = [variable.numpy() for variable in self.optimizer.variables]

    def start_from(self, networks: Sequence[keras.Model]) -> None:
        """Takes over the weights of `networks`; the optimizer forgets what it knew."""
        starts = zip(*(network.get_weights() for network in networks), strict=True)
        for variable, start in zip(self.variables, starts, strict=True):
            variable.assign(np.stack(start)[..., np.newaxis])
        for variable, value in zip(self.optimizer.variables, self.fresh, strict=True):
            variable.assign(value)

    def weights(self) -> list[NDArray[Any]]:
        """The weights of all networks, `(networks, …)` each, in the order of `get_weights`."""
        return [variable.numpy()[..., 0] for variable in self.variables]

    def update(self, targets: tf.Tensor, *features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Updates by one batch: the mean loss, and the first weights' largest gradient, of each."""
        with tf.GradientTape() as tape:
            outputs = forward(self.network, self.values, *features)
            losses = tf.reduce_mean(self.loss(outputs, targets), axis=-1)
        # The networks share no weight, so each gets the gradient of its own loss.
        gradients = tape.gradient(losses, self.values)
        self.optimizer.apply(gradients, self.variables)
        return losses, tf.reduce_max(tf.abs(gradients[0]), axis=(1, 2, 3))


class Descent:
    """Trains networks of one shape, `width` at a time, on the rows of one split.

    Compiles once, whatever the number of trainings.
    """

    def __init__(
        self,
        network: keras.Model,
        width: int,
        split: Split,
        optimizer: GradientDescent,
        batch_size: int,
    ) -> None:
        self.stack = SideBySide(network, width, optimizer)
        dtype = self.stack.values[0].dtype
        self.features = tf.constant(np.ascontiguousarray(split.features.T, dtype.as_numpy_dtype))
        self.targets = tf.constant(split.targets, dtype)
        self.batch_size = min(batch_size, len(split.targets))
        self._run_epoch = tf.function(self._epoch, jit_compile=True, autograph=False)

    def fit(
        self,
        networks: Sequence[keras.Model],
        epochs: int,
        go_on: Callable[[Epoch], bool] = lambda epoch: True,
    ) -> NDArray[np.float64]:
        """Trains `networks`, alike but for their weights, side by side and each on its own.

        Minimizes the mean squared error over batches of rows in their order; the last batch of an
        epoch may be shorter. The trained weights are in `networks` afterwards.

        Args:
            go_on: Called after each epoch; if it returns False, that epoch is the last one.

        Returns:
            The mean squared errors `(epochs, networks)`, as met while training.
        """
        self.stack.start_from(networks)
        history = []
        for _ in range(epochs):
            losses, gradients = self._run_epoch(self.features, self.targets)
            epoch = Epoch(losses.numpy(), gradients.numpy() > 0)
            history.append(epoch.losses)
            if not go_on(epoch):
                break

        for network, *weights in zip(networks, *self.stack.weights(), strict=True):
            network.set_weights(weights)
        return np.array(history, np.float64)

    def _epoch(self, features: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """One pass over the rows: the loss, and the first kernel's largest gradient, of each."""
        rows, size = targets.shape[0], self.batch_size
        zeros = tf.zeros(self.stack.width, features.dtype)

        def body(start: tf.Tensor, total: tf.Tensor, largest: tf.Tensor) -> tuple[Any, ...]:
            batch = tf.slice(features, [0, start], [features.shape[0], size])
            losses, gradients = self.stack.update(tf.slice(targets, [start], [size]), batch)
            return start + size, total + size * losses, tf.maximum(largest, gradients)

        # The start is a tensor: with a constant, XLA would compile anew for each number of rows.
        _, total, largest = tf.while_loop(
            lambda start, *_: start + size <= rows, body, (tf.constant(0), zeros, zeros)
        )
        if rest := rows % size:
            losses, gradients = self.stack.update(targets[-rest:], features[:, -rest:])
            total += rest * losses
            largest = tf.maximum(largest, gradients)
        return total / rows, largest
