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
from models.networks import forward

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
    """Whether any gradient reached the first layer; none ever does once all units are dead."""


def make_optimizer(config: GradientDescent) -> keras.optimizers.Optimizer:
    """Makes the Keras optimizer that `config` names."""
    return _OPTIMIZERS[config.name](config.learning_rate)


def fit(
    networks: Sequence[keras.Model],
    split: Split,
    optimizer: GradientDescent,
    *,
    epochs: int,
    batch_size: int,
    go_on: Callable[[Epoch], bool] = lambda epoch: True,
) -> NDArray[np.float64]:
    """Trains `networks`, alike but for their initial weights, side by side and each on its own.

    Minimizes the mean squared error over batches of `batch_size` rows in the order of `split`;
    the last batch of an epoch may be shorter. The trained weights are in `networks` afterwards.

    Args:
        go_on: Called after each epoch; if it returns False, that epoch is the last one.

    Returns:
        The mean squared errors `(epochs, networks)`, as met while training.
    """
    # A model's own dtype is Keras's global one, whatever its layers have.
    dtype = networks[0].inputs[0].dtype
    starts = zip(*(network.get_weights() for network in networks), strict=True)
    variables = [keras.Variable(np.stack(start)[..., np.newaxis], dtype=dtype) for start in starts]
    features = tf.constant(np.ascontiguousarray(split.features.T, dtype))
    targets = tf.constant(split.targets, dtype)
    run_epoch = _compile(networks[0], variables, make_optimizer(optimizer), batch_size)

    history = []
    for _ in range(epochs):
        losses, gradients = run_epoch(features, targets)
        epoch = Epoch(losses.numpy(), gradients.numpy() > 0)
        history.append(epoch.losses)
        if not go_on(epoch):
            break

    for index, network in enumerate(networks):
        network.set_weights([variable.numpy()[index, ..., 0] for variable in variables])
    return np.array(history, np.float64)


def _compile(
    model: keras.Model,
    variables: list[keras.Variable],
    optimizer: keras.optimizers.Optimizer,
    batch_size: int,
) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """One pass over the rows as one XLA program that updates `variables` in place."""
    optimizer.build(variables)
    values = [variable.value for variable in variables]

    def update(features: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            errors = forward(model, values, features) - targets
            losses = tf.reduce_mean(tf.square(errors), axis=-1)
        # The networks share no weight, so each gets the gradient of its own loss.
        gradients = tape.gradient(losses, values)
        optimizer.apply(gradients, variables)
        return losses, tf.reduce_max(tf.abs(gradients[0]), axis=(1, 2, 3))

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
    def run_epoch(features: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        rows = targets.shape[0]
        size = min(batch_size, rows)
        total = largest = tf.zeros(values[0].shape[0], features.dtype)
        # A loop over `tf.range` would be compiled anew for each number of batches.
        start = tf.constant(0)
        while start + size <= rows:
            batch = tf.slice(features, [0, start], [features.shape[0], size])
            losses, gradients = update(batch, tf.slice(targets, [start], [size]))
            total += size * losses
            largest = tf.maximum(largest, gradients)
            start += size
        if rest := rows % size:
            losses, gradients = update(features[:, -rest:], targets[-rest:])
            total += rest * losses
            largest = tf.maximum(largest, gradients)
        return total / rows, largest

    compiled: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]] = run_epoch
    return compiled
