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
from models.side_by_side import SideBySide


class Epoch(NamedTuple):
    """What one pass over the rows says of each network; all are `(networks,)`."""

    losses: NDArray[Any]
    """The mean squared error, as met while training."""
    learning: NDArray[np.bool_]
    """Whether a gradient reached the first layer; none does while all units of a layer are dead."""
    validation_losses: NDArray[Any] | None = None
    running: NDArray[np.bool_] | None = None
    """Of which networks the epoch counts; None: of all."""


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
        *,
        dropout: float = 0,
        weight_decay: float = 0,
    ) -> None:
        self.stack = SideBySide(
            network, width, optimizer, dropout=dropout, weight_decay=weight_decay
        )
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
        *,
        seed: int = 0,
    ) -> NDArray[np.float64]:
        """Trains `networks`, alike but for their weights, side by side and each on its own.

        Minimizes the mean squared error over batches of rows in their order; the last batch of an
        epoch may be shorter. The trained weights are in `networks` afterwards.

        Args:
            go_on: Called after each epoch; if it returns False, that epoch is the last one.
            seed: Of dropout.

        Returns:
            The mean squared errors `(epochs, networks)`, as met while training.
        """
        self.stack.start_from(networks, np.random.default_rng(seed))
        history = []
        for number in range(epochs):
            self.stack.begin_epoch(number, epochs)
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
