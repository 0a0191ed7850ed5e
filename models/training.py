"""Training by gradient descent: the updates of `keras.Model.fit`, compiled.

The same batches in the same order through the same optimizers, so the same weights up to
rounding; but one XLA program runs a whole epoch, where `fit` goes through Python, TensorFlow's
executor and `tf.data` once a batch of a few microseconds' arithmetic.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.config import Optimizer, TrainConfig
from models.data import Split
from models.networks import forward

OnEpoch = Callable[[int, NDArray[Any]], None]
"""Called after each epoch with its number, from 1, and the loss of each network."""

_OPTIMIZERS: dict[str, Callable[[float], keras.optimizers.Optimizer]] = {
    "adagrad": keras.optimizers.Adagrad,
    "adam": keras.optimizers.Adam,
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
    "nadam": keras.optimizers.Nadam,
    "adamw": keras.optimizers.AdamW,
}


class TrainingDiverged(Exception):
    """The loss became infinite or not a number: the learning rate is too high for the data."""


class History(NamedTuple):
    """The mean squared error per epoch, as met while training, and the time it took."""

    losses: list[float]
    seconds: float


def make_optimizer(config: Optimizer) -> keras.optimizers.Optimizer:
    """Makes the Keras optimizer that `config` names."""
    return _OPTIMIZERS[config.name](config.learning_rate)


def fit(
    networks: Sequence[keras.Model],
    split: Split,
    config: TrainConfig,
    on_epoch: OnEpoch = lambda epoch, losses: None,
) -> list[History]:
    """Trains `networks`, alike but for their initial weights, side by side and each on its own.

    Minimizes the mean squared error over batches of `config.batch_size` rows in the order of
    `split`, `config.epochs` times over; the last batch of an epoch may be shorter. The trained
    weights are in `networks` afterwards.

    Raises:
        TrainingDiverged: A loss is not finite. The networks keep their initial weights.
    """
    started = time.perf_counter()
    dtype = networks[0].dtype
    starts = zip(*(network.get_weights() for network in networks), strict=True)
    variables = [keras.Variable(np.stack(start)[..., np.newaxis], dtype=dtype) for start in starts]
    features = tf.constant(np.ascontiguousarray(split.features.T, dtype))
    targets = tf.constant(split.targets, dtype)
    run_epoch = _compile_epoch(networks[0], variables, config)

    losses = np.empty((config.epochs, len(networks)))
    for epoch in range(config.epochs):
        losses[epoch] = run_epoch(features, targets)
        if not np.isfinite(losses[epoch]).all():
            raise TrainingDiverged(
                f"the loss of epoch {epoch + 1} is not finite; "
                f"try a learning rate below {config.optimizer.learning_rate:g}"
            )
        on_epoch(epoch + 1, losses[epoch])

    for index, network in enumerate(networks):
        network.set_weights([variable.numpy()[index, ..., 0] for variable in variables])
    seconds = time.perf_counter() - started
    return [History(of_one.tolist(), seconds) for of_one in losses.T]


def _compile_epoch(
    model: keras.Model, variables: list[keras.Variable], config: TrainConfig
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """One pass over the rows as one XLA program that updates `variables` in place."""
    optimizer = make_optimizer(config.optimizer)
    optimizer.build(variables)
    values = [variable.value for variable in variables]

    def update(features: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            errors = forward(model, values, features) - targets
            losses = tf.reduce_mean(tf.square(errors), axis=-1)
        # The networks share no weight, so each gets the gradient of its own loss.
        optimizer.apply(tape.gradient(losses, values), variables)
        return losses

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
    def run_epoch(features: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        rows = targets.shape[0]
        size = min(config.batch_size, rows)
        total = tf.zeros(values[0].shape[0], features.dtype)
        # A loop over `tf.range` would be compiled anew for each number of batches.
        start = tf.constant(0)
        while start + size <= rows:
            batch = tf.slice(features, [0, start], [features.shape[0], size])
            total += size * update(batch, tf.slice(targets, [start], [size]))
            start += size
        if rest := rows % size:
            total += rest * update(features[:, -rest:], targets[-rest:])
        return total / rows

    compiled: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = run_epoch
    return compiled
