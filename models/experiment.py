"""One dataset, and all that a job does with it: train, export, check, measure."""

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np

from models import evaluation, training
from models.config import ModelName, SyntheticDataset, TrainConfig
from models.data import load
from models.export import check_parity, export, load_onnx
from models.export_table import check_table_parity, export_table
from models.schema import TableSchema
from models.starts import OnStep
from models.table import Table
from models.training import Trained

CHECKED_ROWS = 10_000
"""Of a table: on so many what was exported is held against what was trained."""


class HeldOut(NamedTuple):
    """Rows that no network was trained on: instances as `POST /predict` takes them, and targets."""

    instances: Sequence[Sequence[Any]]
    targets: Sequence[float]


class Experiment(Protocol):
    """What a job needs of its dataset."""

    table: TableSchema | None
    fingerprint: str
    """SHA-256 of the rows and their split."""

    def baseline(self) -> dict[str, float]:
        """The scores of the predictor that answers the mean of the training rows."""

    def train(self, name: ModelName, on_step: OnStep) -> Trained[Any]:
        """Trains a network. Raises TrainingDiverged if no start has a finite loss."""

    def export(self, network: keras.Model, folder: Path) -> None:
        """Writes a network as a version. Raises ParityError if it says something else there."""

    def scores(self, folder: Path) -> dict[str, float]:
        """The scores of a version's ONNX file."""

    def choosing_error(self, folder: Path) -> float:
        """The error of a version's ONNX file by which versions are chosen, on this job's rows."""

    def held_out(self, rows: int) -> HeldOut:
        """At most so many of the rows that choose."""


class TriplesExperiment:
    """The synthetic triples."""

    table: TableSchema | None = None

    def __init__(self, config: TrainConfig, dataset: SyntheticDataset) -> None:
        self._config = config
        self._dataset = load(dataset)
        self.fingerprint = self._dataset.fingerprint

    def baseline(self) -> dict[str, float]:
        return evaluation.mean_predictor(self._dataset)._asdict()

    def train(self, name: ModelName, on_step: OnStep) -> Trained[Any]:
        return training.train(name, self._dataset.train, self._config, on_step)

    def export(self, network: keras.Model, folder: Path) -> None:
        export(network, folder)
        check_parity(network, folder, self._dataset.eval.features)

    def scores(self, folder: Path) -> dict[str, float]:
        return evaluation.evaluate(load_onnx(folder), self._dataset)._asdict()

    def choosing_error(self, folder: Path) -> float:
        return float(np.sqrt(evaluation.error_on(self._dataset.eval, load_onnx(folder))))

    def held_out(self, rows: int) -> HeldOut:
        features, targets = (column[:rows].tolist() for column in self._dataset.eval)
        return HeldOut(features, targets)


class TableExperiment:
    """A revision of a table."""

    def __init__(self, config: TrainConfig, table: Table) -> None:
        self._config = config
        self._table = table
        self.table: TableSchema | None = table.schema
        self.fingerprint = table.fingerprint

    def baseline(self) -> dict[str, float]:
        return evaluation.mean_baseline(self._table)

    def train(self, name: ModelName, on_step: OnStep) -> Trained[Any]:
        return training.train_table(name, self._table, self._config, on_step)

    def export(self, network: keras.Model, folder: Path) -> None:
        export_table(network, self._table.preprocessing, self._table.schema, folder)
        columns, _ = self._table.validation.first(CHECKED_ROWS)
        check_table_parity(network, self._table.preprocessing, folder, columns)

    def scores(self, folder: Path) -> dict[str, float]:
        return evaluation.scores(self._table.schema.task, load_onnx(folder), self._table)

    def choosing_error(self, folder: Path) -> float:
        return evaluation.validation_error(load_onnx(folder), self._table)

    def held_out(self, rows: int) -> HeldOut:
        columns, targets = self._table.validation.first(rows)
        features = [
            [None if _is_missing(value) else value for value in column.tolist()]
            for column in columns.values()
        ]
        return HeldOut(list(zip(*features, strict=True)), targets.tolist())


def _is_missing(value: float | str) -> bool:
    return not value if isinstance(value, str) else isnan(value)
