"""Version folders of a table, exported from networks that nobody trained."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from models.columns import Columns
from models.config import ModelName, TrainConfig
from models.export_table import export_table
from models.networks import build
from models.preprocessing import Number, Preprocessing
from models.schema import Column, TableSchema, Task, Type
from models.vocabularies import Values, Words

WORDS = ("Oslo", "Rome", "Zürich", "a\0b", " ", "😀")


HOUSES: Mapping[str, Type] = {
    "rooms": "number",
    "area": "number",
    "garden": "boolean",
    "city": "text",
}


def make_schema(types: Mapping[str, Type] = HOUSES, task: Task = "regression") -> TableSchema:
    """Features by name and type."""
    return TableSchema(
        features=tuple(Column(name=name, type=kind) for name, kind in types.items()),
        target="price",
        task=task,
        classes=("cheap", "dear") if task == "binary" else None,
    )


VALUES = (-12.5, 0.0, 0.1, 7.0)


def make_preprocessing(
    schema: TableSchema, vocabulary: tuple[str, ...] = WORDS, looked_up: bool = False
) -> Preprocessing:
    """Every other number has a mark; embeddings differ in their widths.

    Args:
        looked_up: Every other number that has no mark is looked up as well.
    """
    regression = schema.task == "regression"
    return Preprocessing(
        schema.task,
        tuple(
            Number(column.name, 3.0 * index - 1, 1.7 * index + 0.3, index % 2 == 1, index % 3 > 0)
            for index, column in enumerate(schema.numeric)
        ),
        tuple(
            Words(column.name, vocabulary, width=2 + index % 3)
            for index, column in enumerate(schema.categorical)
        ),
        target_mean=250.0 if regression else 0.0,
        target_scale=40.0 if regression else 1.0,
        values=tuple(
            Values(column.name, VALUES, width=1 + index)
            for index, column in enumerate(schema.numeric)
            if looked_up and index % 2 == 0
        ),
    )


def make_network(
    preprocessing: Preprocessing,
    name: ModelName = "cross",
    dtype: str = "float32",
    seed: int = 5,
    units: Sequence[int] = (8, 4),
) -> keras.Model:
    """A network whose biases are at random as well, so that none of its weights goes unseen."""
    config = TrainConfig.model_validate(
        {"dataset": "houses", "precision": dtype, "dense": {"hidden_units": list(units)}}
    )
    network = build(name, config, seed, preprocessing)
    draw = np.random.default_rng(seed)
    network.set_weights([draw.normal(0, 0.3, weight.shape) for weight in network.get_weights()])
    return network


def make_columns(
    schema: TableSchema, rows: int, seed: int = 0, spread: float = 10, some_known: bool = False
) -> Columns:
    """Raw rows: some values are missing, some words unseen; if told, some numbers of `VALUES`."""
    draw = np.random.default_rng(seed)
    words = np.array([*WORDS, "", "Nowhere"], object)
    columns: Columns = {}
    for column in schema.features:
        if column.kind == "categorical":
            columns[column.name] = words[draw.integers(len(words), size=rows)]
        else:
            columns[column.name] = draw.normal(0, spread, rows)
            columns[column.name][draw.random(rows) < 0.1] = np.nan
            if some_known:
                known = np.flatnonzero(draw.random(rows) < 0.2)
                columns[column.name][known] = draw.choice(VALUES, len(known))
    return columns


def make_version(
    folder: Path,
    schema: TableSchema | None = None,
    name: ModelName = "cross",
    dtype: str = "float32",
    seed: int = 5,
) -> TableSchema:
    """Writes a SavedModel and its ONNX twin to `folder`; returns the schema of its table."""
    schema = schema or make_schema()
    preprocessing = make_preprocessing(schema)
    export_table(make_network(preprocessing, name, dtype, seed), preprocessing, schema, folder)
    return schema
