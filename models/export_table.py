"""A table's network in two formats that say the same, each with the preprocessing inside."""

from pathlib import Path

import keras
import numpy as np
import onnx
from scipy.special import expit

from models.columns import Columns
from models.data import Array
from models.export import LOADERS, ONNX_FILE, ROWS_AT_ONCE, ParityError, compare
from models.networks import predict_rows
from models.onnx_table import table_graph
from models.preprocessing import Preprocessing, encode
from models.rounding import rounding
from models.rows import InMemory
from models.saved_table import save_table
from models.schema import TableSchema
from models.vocabularies import Values, Words

ROWS_WITH_GAPS = 1000
"""At most so many rows with missing and unseen values are made for the check."""

STATES = 4
"""Of a cell in such a row: missing, unseen, or as it was."""


def export_table(
    network: keras.Model, preprocessing: Preprocessing, schema: TableSchema, folder: Path
) -> None:
    """Writes preprocessing and network to `folder` as a SavedModel with its ONNX twin.

    Both take one input a feature, by its name, `(batch,)`: float64, NaN where it is missing; or
    string, empty where it is missing. Both answer `predictions`, `(batch, 1)`, in float64
    whatever the network's dtype: in the target's unit, or as probabilities of the positive class.
    """
    save_table(network, preprocessing, schema, folder)
    (folder / ONNX_FILE).parent.mkdir()
    onnx.save(table_graph(network, preprocessing, schema), folder / ONNX_FILE)


def check_table_parity(
    network: keras.Model, preprocessing: Preprocessing, folder: Path, columns: Columns
) -> None:
    """Loads both files of `folder` again and holds their predictions against `network`'s.

    Args:
        columns: Rows to predict, one at least. Others with missing and unseen values are made
            of them.

    Raises:
        ParityError: A prediction differs by more than rounding, or is not finite.
    """
    columns = with_gaps(columns, preprocessing)
    rows = len(next(iter(columns.values())))
    encoded = encode(columns, np.zeros(rows), preprocessing, network.outputs[0].dtype)
    output = predict_rows(network, InMemory(encoded).blocks(ROWS_AT_ONCE))
    if not np.isfinite(output).all():
        raise ParityError("the trained network's predictions are not all finite")

    # Eight operations lead to a number: it is centred, scaled, bent by five, and cast.
    tolerance = rounding(network, encoded.numbers.T, encoded.codes.T, operations=8)
    trained, tolerance = _in_unit(output, tolerance, preprocessing)
    for kind, load in LOADERS.items():
        compare(kind, load(folder)(columns), trained, tolerance)


def with_gaps(columns: Columns, preprocessing: Preprocessing) -> Columns:
    """The rows, and behind them some of them again, with missing and unseen values.

    Every feature is missing, is unseen if it can be, and is as it was in some of them. An unseen
    number lies right beside one that is known.
    """
    rows = len(next(iter(columns.values())))
    again = np.arange(np.clip(rows, STATES, ROWS_WITH_GAPS)) % rows
    result = {}
    coded = {feature.name: feature for feature in preprocessing.coded}
    for index, (name, values) in enumerate(columns.items()):
        state = (np.arange(len(again)) + index) % STATES
        made = values[again]
        made[state == 0] = "" if values.dtype == object else np.nan
        if name in coded:
            made[state == 1] = _unseen(coded[name])
        result[name] = np.concatenate([values, made])
    return result


def _unseen(coded: Words | Values) -> str | float:
    if isinstance(coded, Values):
        last = coded.known[-1]
        # TensorFlow takes numbers nearer to 0 than these for 0.
        beside = last if abs(last) > np.finfo(np.float64).tiny else 1.0
        return float(np.nextafter(beside, np.inf))
    word = "unseen"
    while word in coded.vocabulary:
        word += "?"
    return word


def _in_unit(output: Array, tolerance: Array, preprocessing: Preprocessing) -> tuple[Array, Array]:
    """A network's output as predictions, and the tolerance of the former as that of the latter."""
    eps = np.finfo(np.float64).eps
    if preprocessing.task == "binary":
        # The sigmoid rises by a quarter at most; its own operations are four.
        return expit(output), tolerance / 4 + 4 * eps
    scale, mean = preprocessing.target_scale, preprocessing.target_mean
    exact = np.abs(output * scale) + abs(mean)
    return output * scale + mean, tolerance * scale + 2 * eps * exact
