"""The two networks, and both as one pure function of their weights."""

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from models.config import (
    FEATURES,
    CrossNetwork,
    DenseNetwork,
    Initializer,
    ModelName,
    TrainConfig,
)
from models.data import Array
from models.evaluation import in_blocks
from models.layers import CrossLayer

NARROW = 1024
"""Up to so many weights a product that fuses with its neighbours beats a matrix product in XLA."""


def build(name: ModelName, config: TrainConfig, seed: int) -> keras.Model:
    """Builds the network called `name` with the shape and precision that `config` gives it."""
    if name == "dense":
        return build_dense(config.dense, seed, config.precision)
    return build_cross(config.cross, seed, config.precision)


def build_dense(network: DenseNetwork, seed: int, dtype: str = "float32") -> keras.Model:
    """Fully connected ReLU layers and one linear unit: `(batch_size, 3)` to `(batch_size, 1)`.

    The default, three layers of 3 units, has 40 parameters. The same seed gives the same
    initial weights.
    """
    draw = keras.random.SeedGenerator(seed)
    x = features = keras.Input((FEATURES,), name="features", dtype=dtype)
    for units in [*network.hidden_units, None]:
        first = x is features
        x = keras.layers.Dense(
            units or 1,
            activation="relu" if units else "linear",
            kernel_initializer=_initializer(
                network.initializer, draw, x.shape[1], units or 1, first
            ),
            dtype=dtype,
        )(x)
    return keras.Model(features, x, name="dense")


def build_cross(network: CrossNetwork, seed: int, dtype: str = "float32") -> keras.Model:
    """Cross layers over the features and one linear unit: `(batch_size, 3)` to `(batch_size, 1)`.

    The default, one cross layer, has 16 parameters. The same seed gives the same initial
    weights.
    """
    draw = keras.random.SeedGenerator(seed)
    x = features = keras.Input((FEATURES,), name="features", dtype=dtype)
    for _ in range(network.layers):
        x = CrossLayer(keras.initializers.GlorotUniform(draw), dtype=dtype)(features, x)
    glorot = keras.initializers.GlorotUniform(draw)
    predictions = keras.layers.Dense(1, kernel_initializer=glorot, dtype=dtype)(x)
    return keras.Model(features, predictions, name="cross")


def forward(model: keras.Model, weights: Iterable[Any], features: Any) -> Any:
    """What `model` computes, as a pure function of `weights`, with the rows last.

    XLA compiles matrix products of width 3 to code that is several times faster where the
    rows run along the last axis, and leading axes let one program hold many networks.

    Args:
        model: A network of this file.
        weights: The kernels `(…, inputs, units, 1)` and biases `(…, units, 1)` of `model` in
            its order. The last axis may have as many elements as there are rows: then each
            row has weights of its own.
        features: `(3, rows)`.

    Returns:
        The predictions, `(…, rows)`.
    """
    weights = iter(weights)
    x = features
    for layer in model.layers[1:]:
        kernel, bias = next(weights), next(weights)
        affine = _product(kernel, x) + bias
        x = features * affine + x if isinstance(layer, CrossLayer) else layer.activation(affine)
    return x[..., 0, :]


def _product(kernel: Any, x: Any) -> Any:
    """`kernelᵀ x` for a kernel `(…, inputs, units, 1 or rows)` and `x` `(…, inputs, rows)`."""
    inputs, units, rows = kernel.shape[-3:]
    if rows == 1 and inputs * units > NARROW:
        return tf.matmul(kernel[..., 0], x, transpose_a=True)
    return tf.reduce_sum(kernel * x[..., :, tf.newaxis, :], axis=-3)


def predict(network: keras.Model, features: Array) -> Array:
    """The predictions `(rows,)` of `network` for features `(rows, 3)`."""
    return in_blocks(lambda block: network(block).numpy()[:, 0], features)


def _initializer(
    kind: Initializer, draw: keras.random.SeedGenerator, inputs: int, units: int, first: bool
) -> keras.initializers.Initializer:
    """Glorot's uniform one; or, called lively, one with which hardly a ReLU network is born dead.

    The lively one draws from the upper half of Glorot's interval, and in the first layer from
    the upper three quarters: the features are positive, and so is nearly every unit at first.
    """
    limit = (6 / (inputs + units)) ** 0.5
    lowest = {"glorot_uniform": -limit, "lively": -limit / 2 if first else 0.0}[kind]
    return keras.initializers.RandomUniform(lowest, limit, seed=draw)
