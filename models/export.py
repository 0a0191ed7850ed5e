"""A trained network in two formats that say the same: a SavedModel and its ONNX twin.

Here are the networks of triples, and what those of tables share with them.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
from numpy.typing import NDArray

from models.columns import Columns
from models.config import FEATURES
from models.data import Array
from models.evaluation import in_blocks
from models.networks import predict
from models.onnx_layers import graph
from models.rounding import rounding
from models.saved_table import signature_parameters

ONNX_FILE = Path("assets.extra", "model.onnx")
"""Where the ONNX twin lies in the folder of its SavedModel."""

ROWS_AT_ONCE = 1024
"""Rows of a table; wide layers are several times slower on more, and take more memory."""

DTYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(string)": np.object_}
"""Of what ONNX Runtime takes."""


class ParityError(Exception):
    """What was written does not predict what the trained network predicts."""


def export(network: keras.Model, folder: Path) -> None:
    """Writes `network` to `folder` as a SavedModel with its ONNX twin in `assets.extra`.

    The signature is called `serving_default`; its input is `features`, `(batch, 3)`, its output
    `predictions`, `(batch, 1)`, both of the network's dtype.
    """
    signature = [tf.TensorSpec((None, FEATURES), network.inputs[0].dtype, name="features")]

    @tf.function(input_signature=signature, autograph=False)  # type: ignore[untyped-decorator]
    def serve(features: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"predictions": network(features)}

    tf.saved_model.save(network, os.fspath(folder), signatures={"serving_default": serve})
    (folder / ONNX_FILE).parent.mkdir()
    onnx.save(graph(network), folder / ONNX_FILE)


def check_parity(network: keras.Model, folder: Path, features: Array) -> None:
    """Loads both files of `folder` again and holds their predictions against `network`'s.

    Raises:
        ParityError: A prediction differs by more than rounding, or is not finite.
    """
    trained = predict(network, features)
    if not np.isfinite(trained).all():
        raise ParityError("the trained network's predictions are not all finite")
    tolerance = rounding(network, features)
    for kind, load in LOADERS.items():
        compare(kind, in_blocks(load(folder), features), trained, tolerance)


def compare(kind: str, predictions: Array, trained: Array, tolerance: Array) -> None:
    """Holds predictions against those of the trained network; all are `(rows,)`.

    Raises:
        ParityError: One of them differs by more than its row's tolerance.
    """
    difference = np.abs(predictions - trained)
    (wrong,) = np.nonzero(~(difference <= tolerance))
    if len(wrong):
        raise ParityError(
            f"the predictions of the {kind} differ from the trained network's by "
            f"{difference[wrong[0]]:.3g}, more than the {tolerance[wrong[0]]:.3g} that rounding "
            f"explains, in row {wrong[0]}"
        )


def load_saved_model(folder: Path) -> Any:
    """The SavedModel's signature as a function from features to predictions `(rows,)`.

    Features are `(rows, 3)`; of a table, its columns `(rows,)` by name.
    """
    serve = tf.saved_model.load(os.fspath(folder)).signatures["serving_default"]
    inputs = serve.structured_input_signature[1]
    parameters = signature_parameters(folder)

    def predict(columns: Columns) -> NDArray[Any]:
        given = {
            parameter: tf.constant(columns[name], inputs[parameter].dtype)
            for name, parameter in parameters.items()
        }
        result: NDArray[Any] = serve(**given)["predictions"].numpy()[:, 0]
        return result

    return _in_blocks(predict)


def load_onnx(folder: Path) -> Any:
    """The ONNX file's network as a function from features to predictions `(rows,)`.

    Features are `(rows, 3)`; of a table, its columns `(rows,)` by name. It computes in the
    caller's thread, as where it serves.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        folder / ONNX_FILE, options, providers=["CPUExecutionProvider"]
    )
    dtypes = {each.name: DTYPES[each.type] for each in session.get_inputs()}

    def predict(columns: Columns) -> NDArray[Any]:
        given = {name: columns[name].astype(dtype, copy=False) for name, dtype in dtypes.items()}
        (result,) = session.run(None, given)
        return np.asarray(result)[:, 0]

    return _in_blocks(predict)


def _in_blocks(predict: Callable[[Columns], NDArray[Any]]) -> Callable[[Any], NDArray[Any]]:
    """A function of features `(rows, 3)`, or of any number of a table's rows, by one of columns."""

    def all_rows(features: Any) -> NDArray[Any]:
        if not isinstance(features, dict):
            return predict({"features": features})
        rows = len(next(iter(features.values())))
        parts = (slice(start, start + ROWS_AT_ONCE) for start in range(0, rows, ROWS_AT_ONCE))
        return np.concatenate(
            [predict({name: values[part] for name, values in features.items()}) for part in parts]
        )

    return all_rows


LOADERS = {"SavedModel": load_saved_model, "ONNX file": load_onnx}
