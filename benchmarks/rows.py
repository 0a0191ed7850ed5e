"""A table of 10 columns, 3 of them text: a version of it, its rows, and what they are to be."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from benchmarks.load import Request
from models.config import TrainConfig
from models.preprocessing import Number, Preprocessing
from models.schema import Column, TableSchema
from models.vocabularies import Words
from service.predict.formats.question import Predictions
from service.predict.loaded import load
from service.registry.manifest import EXTRA, ONNX, seal
from service.registry.versions import Registry
from service.tables.store import FOLDER
from tests.registry.versions import metadata

DATASET = "rows"
NUMBERS = [f"number_{number}" for number in range(7)]
TEXTS = [f"text_{number}" for number in range(3)]
WORDS = [f"word {number}" for number in range(1000)]
WIDTH = 16
UNITS = 64

SCHEMA = TableSchema(
    features=(
        *(Column(name=name, type="number") for name in NUMBERS),
        *(Column(name=name, type="text") for name in TEXTS),
    ),
    target="target",
    task="regression",
)


def publish_rows(artifacts: Path) -> None:
    """Adds a version of the table to an artifacts folder: a dense network of random weights."""
    (artifacts / FOLDER / DATASET / "1").mkdir(parents=True)
    folder = Registry(artifacts, DATASET).folder("dense", 1)
    (folder / EXTRA).mkdir(parents=True)
    onnx.save(network(), folder / ONNX)
    seal(folder, metadata("dense").model_copy(update={"table": SCHEMA}))


def network() -> onnx.ModelProto:
    """The version's graph, with an input for each column."""
    # TensorFlow is heavy: only who publishes needs it.
    from models.networks import build
    from models.onnx_table import table_graph

    preprocessing = Preprocessing(
        "regression",
        tuple(Number(name, 0.5, 0.3, marked=True) for name in NUMBERS),
        tuple(Words(name, tuple(WORDS), WIDTH) for name in TEXTS),
        target_mean=0.0,
        target_scale=1.0,
    )
    config = TrainConfig.model_validate(
        {"dataset": DATASET, "dense": {"hidden_units": [UNITS, UNITS]}}
    )
    dense = build("dense", config, 1, preprocessing)
    draw = np.random.default_rng(1)
    dense.set_weights([draw.normal(0, 0.2, weight.shape) for weight in dense.get_weights()])
    return table_graph(dense, preprocessing, SCHEMA)


def rows(count: int) -> list[dict[str, Any]]:
    """So many rows, the same ones each time."""
    draw = np.random.default_rng(42)
    return [
        {
            **{name: round(float(draw.random()), 3) for name in NUMBERS},
            **{name: WORDS[draw.integers(len(WORDS))] for name in TEXTS},
        }
        for _ in range(count)
    ]


def columns(count: int) -> dict[str, list[Any]]:
    """The same rows by column."""
    made = rows(count)
    return {name: [row[name] for row in made] for name in (*NUMBERS, *TEXTS)}


def rows_request(count: int) -> Request:
    """A request that asks for the predictions of so many rows, as objects by column name."""
    asked = {"dataset": DATASET, "instances": rows(count)}
    body = json.dumps(asked, separators=(",", ":")).encode()
    return Request("/predict", {"Content-Type": "application/json"}, body)


def expected_of_rows(artifacts: Path, count: int) -> Predictions:
    """What the version says of these rows, asked without a server."""
    features = {
        name: np.array(values, object if name in TEXTS else np.float64)
        for name, values in columns(count).items()
    }
    return load(Registry(artifacts, DATASET), "dense", 1).predict(features)
