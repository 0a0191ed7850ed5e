"""A trained network in two formats that say the same: a SavedModel and its ONNX twin."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
from numpy.typing import NDArray

from models.config import FEATURES
from models.data import Array
from models.evaluation import in_blocks
from models.layers import CrossLayer
from models.networks import predict
from models.onnx_graph import Layer, graph

ONNX_FILE = Path("assets.extra", "model.onnx")
"""Where the ONNX twin lies in the folder of its SavedModel."""


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
    onnx.save(graph(list(_layers(network))), folder / ONNX_FILE)


def _layers(network: keras.Model) -> Iterator[Layer]:
    for layer in network.layers[1:]:
        kernel, bias = layer.get_weights()
        if isinstance(layer, CrossLayer):
            yield Layer(kernel, bias, "cross")
        elif layer.activation is keras.activations.relu:
            yield Layer(kernel, bias, "relu")
        elif layer.activation is keras.activations.linear:
            yield Layer(kernel, bias, "linear")
        else:
            raise ValueError(f"no ONNX operation is known for {layer.activation}")


def check_parity(network: keras.Model, folder: Path, features: Array) -> None:
    """Loads both files of `folder` again and holds their predictions against `network`'s.

    Raises:
        ParityError: A prediction differs by more than rounding, or is not finite.
    """
    trained = predict(network, features)
    if not np.isfinite(trained).all():
        raise ParityError("the trained network's predictions are not all finite")
    tolerance = rounding(list(_layers(network)), features)
    for kind, load in (
        ("SavedModel", load_saved_model),
        ("ONNX file", load_onnx),
    ):
        difference = np.abs(in_blocks(load(folder), features) - trained).max()
        if not difference <= tolerance:
            raise ParityError(
                f"the predictions of the {kind} differ from the trained network's "
                f"by {difference:.3g}, more than the {tolerance:.3g} that rounding explains"
            )


def rounding(layers: Sequence[Layer], features: Array) -> float:
    """The most by which rounding makes two evaluations of `layers` differ on any row.

    A sum of n products, added up in any order, errs by at most n units of rounding times the sum
    of the products' absolute values (Higham, Accuracy and Stability of Numerical Algorithms, 2nd
    edition, section 3.1). So the network is evaluated with absolute values, and the operations
    on the way through it are counted. Weights that cancel each other make this much larger than
    the predictions.
    """
    x = rows = np.abs(features)
    operations = 0
    for layer in layers:
        affine = x @ np.abs(layer.kernel).astype(np.float64) + np.abs(layer.bias)
        operations += len(layer.kernel) + 1
        if layer.kind == "cross":
            x = rows * affine + x
            operations += 2
        else:
            x = affine
    return operations * float(np.finfo(layers[0].kernel.dtype).eps * x.max())


def load_saved_model(folder: Path) -> Any:
    """The SavedModel's signature as a function from features `(rows, 3)` to `(rows,)`."""
    serve = tf.saved_model.load(os.fspath(folder)).signatures["serving_default"]
    dtype = serve.structured_input_signature[1]["features"].dtype

    def predict(features: Array) -> NDArray[Any]:
        result: NDArray[Any] = serve(tf.constant(features, dtype))["predictions"].numpy()[:, 0]
        return result

    return predict


def load_onnx(folder: Path) -> Any:
    """The ONNX file's network as a function from features `(rows, 3)` to `(rows,)`.

    It computes in the caller's thread, as where it serves.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        folder / ONNX_FILE, options, providers=["CPUExecutionProvider"]
    )
    (features_input,) = session.get_inputs()
    dtype = np.float64 if "double" in features_input.type else np.float32

    def predict(features: Array) -> NDArray[Any]:
        (result,) = session.run(None, {features_input.name: features.astype(dtype)})
        return np.asarray(result)[:, 0]

    return predict
