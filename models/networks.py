"""The networks: how each is built of its layers."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np

from models.config import (
    FEATURES,
    CrossNetwork,
    DeepCrossNetwork,
    DenseNetwork,
    Initializer,
    ModelName,
    NumericEmbedding,
    TrainConfig,
)
from models.data import Array
from models.embeddings import Embeddings, LogUniform, NumericEmbeddings
from models.evaluation import in_blocks
from models.layers import CrossLayer
from models.preprocessing import Encoded, Preprocessing
from models.walk import call, walk


def build(
    name: ModelName, config: TrainConfig, seed: int, preprocessing: Preprocessing | None = None
) -> keras.Model:
    """Builds the network called `name` with the shape and precision that `config` gives it.

    Without `preprocessing` it is one of triples: `features` `(batch_size, 3)` to
    `(batch_size, 1)`. With it, one of a table: `numbers` `(batch_size, numeric_width)` and `codes`
    `(batch_size, categorical features)` to the scaled target, or to the log-odds of the positive
    class, `(batch_size, 1)`. The same seed gives the same initial weights.
    """
    given = seed, config.precision, preprocessing, config.numeric_embedding
    match name:
        case "dense":
            return build_dense(config.dense, *given)
        case "cross":
            return build_cross(config.cross, *given)
        case "deep_cross":
            return build_deep_cross(config.deep_cross, *given)


def build_dense(
    network: DenseNetwork,
    seed: int,
    dtype: str = "float32",
    preprocessing: Preprocessing | None = None,
    embedding: NumericEmbedding | None = None,
) -> keras.Model:
    """Fully connected ReLU layers and one linear unit.

    The default, three layers of 3 units over triples, has 40 parameters.
    """
    draw = keras.random.SeedGenerator(seed)
    inputs, x0 = _inputs(preprocessing, embedding, draw, dtype)
    x = _deep(x0, network.hidden_units, draw, dtype, network.initializer)
    initializer = _initializer(network.initializer, draw, x.shape[1], 1)
    predictions = keras.layers.Dense(1, kernel_initializer=initializer, dtype=dtype)(x)
    return keras.Model(inputs, predictions, name="dense")


def build_cross(
    network: CrossNetwork,
    seed: int,
    dtype: str = "float32",
    preprocessing: Preprocessing | None = None,
    embedding: NumericEmbedding | None = None,
) -> keras.Model:
    """Cross layers and one linear unit.

    The default, one cross layer over triples, has 16 parameters.
    """
    draw = keras.random.SeedGenerator(seed)
    inputs, x0 = _inputs(preprocessing, embedding, draw, dtype)
    x = _crossed(x0, network, draw, dtype)
    return keras.Model(inputs, _linear(x, draw, dtype), name="cross")


def build_deep_cross(
    network: DeepCrossNetwork,
    seed: int,
    dtype: str = "float32",
    preprocessing: Preprocessing | None = None,
    embedding: NumericEmbedding | None = None,
) -> keras.Model:
    """Cross layers, ReLU layers beside them or behind them, and one linear unit."""
    draw = keras.random.SeedGenerator(seed)
    inputs, x0 = _inputs(preprocessing, embedding, draw, dtype)
    crossed = _crossed(x0, network, draw, dtype)
    parallel = network.structure == "parallel"
    x = _deep(x0 if parallel else crossed, network.hidden_units, draw, dtype)
    if parallel:
        x = keras.layers.Concatenate(dtype=dtype)([crossed, x])
    return keras.Model(inputs, _linear(x, draw, dtype), name="deep_cross")


def _crossed(x0: Any, network: CrossNetwork, draw: keras.random.SeedGenerator, dtype: str) -> Any:
    x, glorot = x0, keras.initializers.GlorotUniform(draw)
    for _ in range(network.layers):
        x = CrossLayer(glorot, rank=network.rank, experts=network.experts, dtype=dtype)(x0, x)
    return x


def _deep(
    x0: Any,
    hidden_units: Sequence[int],
    draw: keras.random.SeedGenerator,
    dtype: str,
    initializer: Initializer = "glorot_uniform",
) -> Any:
    x = x0
    for units in hidden_units:
        kernel = _initializer(initializer, draw, x.shape[1], units, first=x is x0)
        x = keras.layers.Dense(units, "relu", kernel_initializer=kernel, dtype=dtype)(x)
    return x


def _linear(x: Any, draw: keras.random.SeedGenerator, dtype: str) -> Any:
    glorot = keras.initializers.GlorotUniform(draw)
    return keras.layers.Dense(1, kernel_initializer=glorot, dtype=dtype)(x)


def _inputs(
    preprocessing: Preprocessing | None,
    embedding: NumericEmbedding | None,
    draw: keras.random.SeedGenerator,
    dtype: str,
) -> tuple[Any, Any]:
    """The inputs of a network, and `x0`, what its layers see of them."""
    if preprocessing is None:
        features = keras.Input((FEATURES,), name="features", dtype=dtype)
        return features, features
    numbers = keras.Input((preprocessing.numeric_width,), name="numbers", dtype=dtype)
    codes = keras.Input((len(preprocessing.coded),), name="codes", dtype="int32")
    x = numbers
    if embedding and preprocessing.numbers:
        shape = len(preprocessing.numbers), embedding.frequencies, embedding.width
        spread = LogUniform(embedding.lowest, embedding.highest, draw)
        kernel = _initializer("glorot_uniform", draw, 2 * embedding.frequencies, embedding.width)
        x = NumericEmbeddings(*shape, spread, kernel, dtype=dtype)(x)
    shapes = [(each.codes, each.width) for each in preprocessing.coded]
    uniform = keras.initializers.RandomUniform(seed=draw)
    return [numbers, codes], Embeddings(shapes, uniform, name="embeddings", dtype=dtype)(x, codes)


def ensemble(members: Sequence[keras.Model]) -> keras.Model:
    """One network that says the mean of what its members say.

    The members have the same inputs; their layers are copied. An only member is returned as it is.
    """
    first, *others = members
    if not others:
        return first
    inputs = [keras.Input(of.shape[1:], name=of.name, dtype=of.dtype) for of in first.inputs]
    outputs = [walk(each, inputs, partial(_copy, f"of_{i}")) for i, each in enumerate(members)]
    mean = keras.layers.Average(dtype=first.outputs[0].dtype)(outputs)
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], mean, name=first.name)


def _copy(suffix: str, layer: keras.Layer, inputs: Sequence[Any]) -> Any:
    """What a copy of the layer says of other inputs; its name is one of its own."""
    copy = type(layer).from_config({**layer.get_config(), "name": f"{layer.name}_{suffix}"})
    output = call(copy, inputs)
    copy.set_weights(layer.get_weights())
    return output


def predict(network: keras.Model, features: Array) -> Array:
    """The predictions `(rows,)` of `network` for features `(rows, 3)`."""
    return in_blocks(lambda block: network(block).numpy()[:, 0], features)


def predict_rows(network: keras.Model, blocks: Iterable[Encoded]) -> Array:
    """What `network`, one of a table, says of all rows of `blocks`: scaled targets or log-odds."""
    outputs = [network([block.numbers.T, block.codes.T]).numpy()[:, 0] for block in blocks]
    return np.concatenate(outputs, dtype=np.float64)


def _initializer(
    kind: Initializer,
    draw: keras.random.SeedGenerator,
    inputs: int,
    units: int,
    first: bool = False,
) -> keras.initializers.Initializer:
    """Glorot's uniform one; or, called lively, one with which hardly a ReLU network is born dead.

    The lively one draws from the upper half of Glorot's interval, and in the first layer from
    the upper three quarters: the features are positive, and so is nearly every unit at first.
    """
    limit = (6 / (inputs + units)) ** 0.5
    lowest = {"glorot_uniform": -limit, "lively": -limit / 2 if first else 0.0}[kind]
    return keras.initializers.RandomUniform(lowest, limit, seed=draw)
