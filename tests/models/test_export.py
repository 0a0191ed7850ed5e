import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from models.data import synthetic_triples
from models.export import ONNX_FILE, ParityError, check_parity, export, load_onnx, load_saved_model
from tests.models import family

FEATURES = synthetic_triples(50, seed=1).features
KINDS = ("dense", "cross", "low rank", "experts", "parallel", "stacked", "three of parallel")
Folders = dict[tuple[str, str], Path]


def make_network(kind: str, dtype: str = "float32", seed: int = 5) -> keras.Model:
    return family.make_network(kind, seed=seed, precision=dtype)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    parent = tmp_path_factory.mktemp("exported")
    folders = {(k, d): parent / f"{k}-{d}" for k in KINDS for d in ("float32", "float64")}
    for (kind, dtype), folder in folders.items():
        export(make_network(kind, dtype), folder)
    return folders


IN_ANOTHER_PROCESS = """
import json, sys
import tensorflow as tf

def describe(folder):
    loaded = tf.saved_model.load(folder)
    serve = loaded.signatures["serving_default"]
    inputs, outputs = serve.structured_input_signature[1], serve.structured_outputs
    answer = serve(features=tf.constant([[0.5, 0.25, 1.0]]))
    return {
        "signatures": list(loaded.signatures),
        "inputs": {n: [s.name, s.shape.as_list(), s.dtype.name] for n, s in inputs.items()},
        "outputs": {n: [s.shape.as_list(), s.dtype.name] for n, s in outputs.items()},
        "predictions": answer["predictions"].numpy().tolist(),
        "knows_models": "models" in sys.modules,
    }

print(json.dumps([describe(folder) for folder in sys.argv[1:]]))
"""


def test_a_process_without_this_package_loads_and_calls_the_saved_models(
    folders: Folders, tmp_path: Path
) -> None:
    paths = [folders[kind, "float32"] for kind in KINDS]
    command: list[str | Path] = [sys.executable, "-c", IN_ANOTHER_PROCESS, *paths]
    # From another folder, so that loading cannot find this package in the working directory.
    answer = subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.PIPE, text=True)
    for kind, described in zip(KINDS, json.loads(answer.stdout), strict=True):
        predictions = described.pop("predictions")
        assert described == {
            "signatures": ["serving_default"],
            "inputs": {"features": ["features", [None, 3], "float32"]},
            "outputs": {"predictions": [[None, 1], "float32"]},
            "knows_models": False,
        }
        expected = make_network(kind)(np.array([[0.5, 0.25, 1.0]], np.float32))
        np.testing.assert_allclose(predictions, expected, rtol=1e-6)


@pytest.mark.parametrize(("dtype", "rounding"), [("float32", 1e-6), ("float64", 2e-15)])
@pytest.mark.parametrize("kind", KINDS)
def test_both_files_predict_what_the_network_predicts(
    folders: Folders, kind: str, dtype: str, rounding: float
) -> None:
    network, folder = make_network(kind, dtype), folders[kind, dtype]
    trained = network(FEATURES).numpy()[:, 0]
    for predict in (load_saved_model(folder), load_onnx(folder)):
        for rows in (1, 50):
            predictions = predict(FEATURES[:rows])
            assert predictions.shape == (rows,)
            assert predictions.dtype == dtype
            np.testing.assert_allclose(predictions, trained[:rows], rtol=rounding, atol=rounding)
    check_parity(network, folder, FEATURES)


@pytest.mark.parametrize(
    ("dtype", "onnx_type"), [("float32", "tensor(float)"), ("float64", "tensor(double)")]
)
@pytest.mark.parametrize("kind", KINDS)
def test_both_files_take_and_give_the_dtype_of_the_network(
    folders: Folders, kind: str, dtype: str, onnx_type: str
) -> None:
    folder = folders[kind, dtype]
    serve = tf.saved_model.load(os.fspath(folder)).signatures["serving_default"]
    assert serve.structured_input_signature[1]["features"].dtype == dtype
    assert serve.structured_outputs["predictions"].dtype == dtype

    session = onnxruntime.InferenceSession(folder / ONNX_FILE)
    (features,), (predictions,) = session.get_inputs(), session.get_outputs()
    assert (features.name, features.type, features.shape[1]) == ("features", onnx_type, 3)
    assert (predictions.type, predictions.shape[1]) == (onnx_type, 1)


def swap_onnx_file(folder: Path, other: Path) -> None:
    shutil.copy(other / ONNX_FILE, folder / ONNX_FILE)


def swap_saved_model(folder: Path, other: Path) -> None:
    all_else = shutil.ignore_patterns(ONNX_FILE.name)
    shutil.copytree(other, folder, ignore=all_else, dirs_exist_ok=True)


@pytest.mark.parametrize(
    ("swap", "culprit"), [(swap_onnx_file, "ONNX file"), (swap_saved_model, "SavedModel")]
)
def test_a_file_of_another_network_is_caught(
    folders: Folders,
    swap: Callable[[Path, Path], None],
    culprit: str,
    tmp_path: Path,
) -> None:
    folder, other = tmp_path / "network", tmp_path / "other"
    shutil.copytree(folders["cross", "float32"], folder)
    export(make_network("cross", seed=6), other)
    check_parity(make_network("cross"), folder, FEATURES)
    swap(folder, other)
    with pytest.raises(ParityError, match=f"the predictions of the {culprit} differ"):
        check_parity(make_network("cross"), folder, FEATURES)


@pytest.mark.parametrize(("dtype", "change"), [("float32", 1e-4), ("float64", 1e-12)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_difference_that_rounding_does_not_explain_is_caught(
    folders: Folders, kind: str, dtype: str, change: float
) -> None:
    network = make_network(kind, dtype)
    network.set_weights([weight + change for weight in network.get_weights()])
    with pytest.raises(ParityError, match="differ"):
        check_parity(network, folders[kind, dtype], FEATURES)


def test_weights_that_cancel_each_other_may_round_more(tmp_path: Path) -> None:
    network = make_network("dense", "float64")
    weights = network.get_weights()
    weights[0] = np.abs(weights[0])  # so no ReLU is off
    weights[2] = 1e6 * np.abs(weights[2][:, :1]) * [1, 1 + 1e-6]
    weights[4][:, 0] = [1, -1]
    network.set_weights(weights)
    export(network, tmp_path / "network")
    check_parity(network, tmp_path / "network", FEATURES)


def test_predictions_that_are_not_finite_are_caught(
    folders: Folders,
) -> None:
    network = make_network("cross")
    network.set_weights([np.full_like(weight, np.nan) for weight in network.get_weights()])
    with pytest.raises(ParityError, match="not all finite"):
        check_parity(network, folders["cross", "float32"], FEATURES)
