"""A table's network as a SavedModel that takes the table's columns by their names."""

import os
from collections.abc import Iterator, Mapping, Sequence
from keyword import iskeyword
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from models.preprocessing import Number, Preprocessing
from models.schema import TableSchema
from models.vocabularies import FIRST_WORD, MISSING, UNSEEN, Values, Words

SIGNATURE = "serving_default"
FILE = "saved_model.pb"


def save_table(
    network: keras.Model, preprocessing: Preprocessing, schema: TableSchema, folder: Path
) -> None:
    """Writes preprocessing and network to `folder` as a SavedModel.

    Each input of the signature `serving_default` is called as its column, `(batch,)`: float64,
    NaN where it is missing; or string, empty where it is missing. Its output is `predictions`,
    `(batch, 1)`, float64.
    """
    # What a function uses is saved only if the object that is saved holds it.
    saved = tf.Module()
    saved.weights = [variable.value for variable in network.weights]
    vocabulary = _vocabulary(preprocessing.words) if preprocessing.words else None
    saved.vocabulary = vocabulary

    dtype = network.outputs[0].dtype
    names = [column.name for column in schema.features]
    parameters = _parameters(names)
    inputs = [
        tf.TensorSpec((None,), tf.float64 if column.kind == "numeric" else tf.string, parameter)
        for column, parameter in zip(schema.features, parameters, strict=True)
    ]

    @tf.function(input_signature=inputs, autograph=False)  # type: ignore[untyped-decorator]
    def serve(*given: tf.Tensor) -> dict[str, tf.Tensor]:
        columns = dict(zip(names, given, strict=True))
        numbers = _scaled(columns, preprocessing.numbers)
        words = _coded(columns, preprocessing.words, vocabulary)
        codes = tf.concat([words, *_looked_up(columns, preprocessing.values)], axis=1)
        output = tf.cast(network([tf.cast(numbers, dtype), codes]), tf.float64)
        if preprocessing.task == "binary":
            return {"predictions": tf.sigmoid(output)}
        unscaled = output * preprocessing.target_scale + preprocessing.target_mean
        return {"predictions": unscaled}

    tf.saved_model.save(saved, os.fspath(folder), signatures={SIGNATURE: serve})
    _rename(folder, dict(zip(parameters, names, strict=True)))


def signature_parameters(folder: Path) -> dict[str, str]:
    """The inputs of a SavedModel's signature, and what they are called as Python's parameters."""
    inputs = _read(folder).meta_graphs[0].signature_def[SIGNATURE].inputs
    return {
        name: tensor.name.removeprefix(f"{SIGNATURE}_").removesuffix(":0")
        for name, tensor in inputs.items()
    }


def _scaled(columns: Mapping[str, tf.Tensor], numbers: Sequence[Number]) -> tf.Tensor:
    """Scaled numbers and marks, `(batch, numeric_width)`, float64."""
    if not numbers:
        return tf.zeros((tf.size(next(iter(columns.values()))), 0), tf.float64)
    values = tf.stack([columns[number.name] for number in numbers], axis=1)
    means = np.array([number.mean for number in numbers])
    scales = np.array([number.scale for number in numbers])
    missing = tf.math.is_nan(values)
    bounds = np.array([number.bound for number in numbers])
    x = tf.clip_by_value((values - means) / scales, -bounds, bounds)
    bent = x / tf.sqrt(1 + tf.square(x * np.array([number.bend for number in numbers])))
    filled = tf.where(missing, tf.zeros((), tf.float64), bent)
    marked = [index for index, number in enumerate(numbers) if number.marked]
    marks = tf.gather(missing, np.array(marked, np.int32), axis=1)
    return tf.concat([filled, tf.cast(marks, tf.float64)], axis=1)


def _vocabulary(words: Sequence[Words]) -> tf.lookup.StaticHashTable:
    """Codes by the number of a feature, a space and a word: a table a feature would be slow."""
    keys = [f"{index} {word}" for index, w in enumerate(words) for word in ("", *w.vocabulary)]
    codes = [code for w in words for code in (MISSING, *range(FIRST_WORD, w.codes))]
    initializer = tf.lookup.KeyValueTensorInitializer(
        tf.constant(keys, tf.string), tf.constant(codes, tf.int32)
    )
    return tf.lookup.StaticHashTable(initializer, UNSEEN)


def _coded(
    columns: Mapping[str, tf.Tensor],
    words: Sequence[Words],
    vocabulary: tf.lookup.StaticHashTable | None,
) -> tf.Tensor:
    """Codes, `(batch, categorical features)`, int32."""
    if vocabulary is None:
        return tf.zeros((tf.size(next(iter(columns.values()))), 0), tf.int32)
    values = tf.stack([columns[feature.name] for feature in words], axis=1)
    prefixes = tf.constant([f"{index} " for index in range(len(words))])
    return vocabulary.lookup(tf.add(prefixes, values))


def _looked_up(columns: Mapping[str, tf.Tensor], values: Sequence[Values]) -> Iterator[tf.Tensor]:
    """The codes of each number that is looked up, `(batch, 1)`, int32."""
    for one in values:
        number, known = columns[one.name], tf.constant(one.known, tf.float64)
        place = tf.minimum(tf.searchsorted(known, number), len(one.known) - 1)
        codes = tf.where(tf.gather(known, place) == number, FIRST_WORD + place, UNSEEN)
        yield tf.where(tf.math.is_nan(number), MISSING, codes)[:, tf.newaxis]


def _parameters(names: Sequence[str]) -> list[str]:
    """What the signature's parameters are called while TensorFlow makes it.

    Their names, where it takes those: as a parameter of a Python function with `self`, and as a
    node of a graph, beside others in upper and lower case.
    """
    parameters: list[str] = []
    taken: set[str] = set()
    for number, name in enumerate(names):
        plain = name.isascii() and name.isidentifier() and not name.startswith("_")
        refused = not plain or iskeyword(name) or name == "self"
        parameter = f"column_{number}" if refused else name
        while parameter.lower() in taken:
            parameter += "_"
        taken.add(parameter.lower())
        parameters.append(parameter)
    return parameters


def _rename(folder: Path, names: Mapping[str, str]) -> None:
    """Gives the parameters of the signature in `folder` the names of their columns.

    Those of the signature are what TensorFlow Serving knows; those of the function are for
    Python, whose structured signature keeps the parameters as they are.
    """
    if all(parameter == name for parameter, name in names.items()):
        return
    model = _read(folder)
    (graph,) = model.meta_graphs
    inputs = graph.signature_def[SIGNATURE].inputs
    tensors = {names[parameter]: tensor.SerializeToString() for parameter, tensor in inputs.items()}
    inputs.clear()
    for name, tensor in tensors.items():
        inputs[name].ParseFromString(tensor)
    for node in graph.object_graph_def.nodes:
        if node.HasField("bare_concrete_function"):
            keywords = node.bare_concrete_function.argument_keywords
            keywords[:] = [names.get(keyword, keyword) for keyword in keywords]
    (folder / FILE).write_bytes(model.SerializeToString())
    (folder / "fingerprint.pb").unlink()  # it is optional, and of the bytes before


def _read(folder: Path) -> SavedModel:
    return SavedModel.FromString((folder / FILE).read_bytes())
