"""A table's network as an ONNX graph that takes the table's columns by their names."""

from collections.abc import Sequence

import keras
import numpy as np
import onnx
from onnx import numpy_helper

from models.onnx_graph import Graph
from models.onnx_layers import add_layers
from models.preprocessing import Number, Preprocessing
from models.schema import TableSchema
from models.vocabularies import FIRST_WORD, MISSING, UNSEEN, Values, Words

ML = "ai.onnx.ml"
"""The domain of `LabelEncoder`."""

OF_WORDS, OF_VALUES = 2, 4
"""Its versions: numbers in float64 are known from the latter on."""


def table_graph(
    network: keras.Model, preprocessing: Preprocessing, schema: TableSchema
) -> onnx.ModelProto:
    """Preprocessing and network as a model from a table's columns to `predictions`.

    Each input is called as its column, `(batch,)`: double, NaN where it is missing; or string,
    empty where it is missing. The output is a double, `(batch, 1)`, called `predictions`, or
    `predictions_1` where a column has that name.

    Inside, the rows run along the first axis once the numbers are scaled: so ONNX Runtime keeps
    the kernels packed, which makes wide layers three times faster on a few rows, and adds up the
    products of a row in the same order whatever rows are beside it.
    """
    made = Graph(rows_last=False)
    for column in schema.features:
        made.input(column.name, "float64" if column.kind == "numeric" else "object", ["batch"])
    numbers = _scaled(made, preprocessing.numbers, network.outputs[0].dtype)
    codes = [
        *(_codes(made, words) for words in preprocessing.words),
        *(_looked_up(made, values) for values in preprocessing.values),
    ]
    x = made.cast(add_layers(made, network, numbers, codes), "float64", name="x")
    if preprocessing.task == "binary":
        predictions = made.apply("Sigmoid", x, name="predictions")
    else:
        scale = made.constant("target_scale", np.array(preprocessing.target_scale))
        mean = made.constant("target_mean", np.array(preprocessing.target_mean))
        product = made.apply("Mul", x, scale, name="product")
        predictions = made.apply("Add", product, mean, name="predictions")
    version = OF_VALUES if preprocessing.values else OF_WORDS
    return made.model(predictions, "float64", [(ML, version)])


def _scaled(made: Graph, numbers: Sequence[Number], dtype: str) -> str:
    """Scaled numbers and marks, `(batch, numeric_width)`: all columns in each operation.

    Without a number it is empty, and nothing is called so.
    """
    if not numbers:
        return ""
    flat = made.apply("Concat", *(number.name for number in numbers), name="flat", axis=0)
    shape = made.constant("shape", np.array([len(numbers), -1]))
    values = made.apply("Reshape", flat, shape, name="values")
    means = made.constant("means", np.array([[number.mean] for number in numbers]))
    scales = made.constant("scales", np.array([[number.scale] for number in numbers]))
    centred = made.apply("Sub", values, means, name="centred")
    scaled = made.apply("Div", centred, scales, name="scaled")
    bent = _bent(made, scaled, numbers)
    missing = made.apply("IsNaN", values, name="missing")
    zero = made.constant("zero", np.array(0.0))
    filled = made.apply("Where", missing, zero, bent, name="filled")
    parts = [made.cast(filled, dtype, name="numbers")]
    marked = [index for index, number in enumerate(numbers) if number.marked]
    if marked:
        which = made.constant("marked", np.array(marked))
        missing = made.apply("Gather", missing, which, name="missing", axis=0)
        parts.append(made.cast(missing, dtype, name="marks"))
    joined = made.apply("Concat", *parts, name="rows_last", axis=0)
    return made.apply("Transpose", joined, name="rows_first", perm=[1, 0])


def _bent(made: Graph, scaled: str, numbers: Sequence[Number]) -> str:
    """As `preprocessing.bent`."""
    bounds = made.constant("bounds", np.array([[number.bound] for number in numbers]))
    cut = made.apply("Min", scaled, bounds, name="cut")
    x = made.apply("Max", cut, made.apply("Neg", bounds, name="least"), name="clipped")
    bends = made.constant("bends", np.array([[number.bend] for number in numbers]))
    part = made.apply("Mul", x, bends, name="part")
    square = made.apply("Mul", part, part, name="square")
    sum_ = made.apply("Add", square, made.constant("one", np.array(1.0)), name="sum")
    return made.apply("Div", x, made.apply("Sqrt", sum_, name="root"), name="bent")


def _codes(made: Graph, words: Words) -> str:
    return made.apply(
        "LabelEncoder",
        words.name,
        name="codes",
        domain=ML,
        keys_strings=["", *words.vocabulary],
        values_int64s=[MISSING, *range(FIRST_WORD, words.codes)],
        default_int64=UNSEEN,
    )


def _looked_up(made: Graph, values: Values) -> str:
    codes = [MISSING, *range(FIRST_WORD, values.codes)]
    return made.apply(
        "LabelEncoder",
        values.name,
        name="codes",
        domain=ML,
        keys_tensor=numpy_helper.from_array(np.array([np.nan, *values.known])),
        values_tensor=numpy_helper.from_array(np.array(codes)),
        default_tensor=numpy_helper.from_array(np.array([UNSEEN])),
    )
