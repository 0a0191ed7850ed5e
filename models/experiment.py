"""One dataset, and all that a job does with it: train, export, check, measure, compare."""

from collections.abc import Callable, Mapping, Sequence
from math import isnan, sqrt
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from models import evaluation, training
from models.baselines.fit import Baseline, fit
from models.columns import Columns
from models.comparison import Difference, compare, worse
from models.config import FEATURES, BaselineName, ModelName, SyntheticDataset, TrainConfig
from models.data import Split, load
from models.evaluation import Evaluation
from models.explanation import crosses, where_in_x0
from models.export import check_parity, export, load_onnx
from models.export_table import check_table_parity, export_table
from models.importance import Importance, permutation_importance
from models.interactions import Interaction
from models.losses import group_counts, reported
from models.networks import predict, predict_rows
from models.preprocessing import Encoded, Number, Preprocessing, encode, predictions
from models.rows import InMemory, of_numbers
from models.schema import TableSchema, Task
from models.table import Table
from models.training import Training

CHECKED_ROWS = 10_000
"""On so many what was exported is held against what was trained, and features are looked at."""

NAMES = tuple(f"x{index}" for index in range(FEATURES))
"""Of the features of a triple."""

SHUFFLES, WIDE = 5, 50
"""So often each feature is shuffled; of tables that are wider than that, once."""

SHUFFLED_CELLS = 500_000
"""So many values are shuffled at most."""

CHOOSING = 0.1
"""Of the triples' training rows: so many choose penalties of baselines, the last ones."""

SEED = 0
"""Of the resampling behind an interval: the same figures give the same interval."""

Predict = Callable[[Any], NDArray[Any]]
"""From a dataset's raw rows, features `(rows, 3)` or columns, to predictions `(rows,)`."""


class HeldOut(NamedTuple):
    """Rows that no network was trained on: instances as `POST /predict` takes them, and targets."""

    instances: Sequence[Sequence[Any]]
    targets: Sequence[float]


class Challenge(NamedTuple):
    """A challenger held against a champion on the rows that choose."""

    champion: float
    """Its error."""
    worse: bool
    """Whether the challenger is worse; where there is noise, whether it is shown to be."""
    interval: tuple[float, float] | None
    """Of the challenger's error less the champion's, 95%; where there is no noise, None."""


class Experiment(Protocol):
    """What a job needs of its dataset."""

    table: TableSchema | None
    fingerprint: str
    """SHA-256 of the rows and their split."""
    reported_by: str
    """The error that is compared: its name among the scores."""

    def training(self, name: ModelName) -> Training[Any]:
        """How a network is trained."""

    def baseline(self, name: BaselineName) -> Baseline | None:
        """Trains a baseline; None if it has nothing to say of such a table."""

    def export(self, network: keras.Model, folder: Path) -> None:
        """Writes a network as a version. Raises ParityError if it says something else there."""

    def by_network(self, network: keras.Model) -> Predict:
        """What a network predicts, as it was trained."""

    def by_baseline(self, baseline: Baseline) -> Predict:
        """What a baseline predicts."""

    def mean(self) -> Predict:
        """What answers the mean of the training rows."""

    def evaluate(self, predicts: Sequence[Predict]) -> list[Evaluation]:
        """Measures what predicts, all on the same look at the rows."""

    def compare(self, rows: Mapping[str, Sequence[Evaluation]]) -> list[Difference]:
        """Holds the rows of the comparison, each with its repeats, against each other."""

    def challenge(self, error: float, mean: float, challenger: Path, champion: Path) -> Challenge:
        """Holds a version, whose error and the mean predictor's are told, against another one."""

    def importances(self, predict: Predict) -> dict[str, Importance]:
        """How much what predicts depends on each feature, on the rows that are reported."""

    def interactions(self, network: keras.Model) -> list[Interaction] | None:
        """What the cross layers of a network multiply, if it has such."""

    def held_out(self, rows: int) -> HeldOut:
        """At most so many of the rows that choose."""


class TriplesExperiment:
    """The synthetic triples."""

    table: TableSchema | None = None
    reported_by = "eval_rmse"

    def __init__(self, config: TrainConfig, dataset: SyntheticDataset) -> None:
        self._config = config
        self._dataset = load(dataset)
        self.fingerprint = self._dataset.fingerprint

    def training(self, name: ModelName) -> Training[Any]:
        return training.training(name, self._dataset.train, self._config)

    def baseline(self, name: BaselineName) -> Baseline | None:
        return fit(name, _triples_as_sides(self._dataset.train), self._config.seed)

    def export(self, network: keras.Model, folder: Path) -> None:
        export(network, folder)
        check_parity(network, folder, self._dataset.eval.features)

    def by_network(self, network: keras.Model) -> Predict:
        return lambda features: predict(network, features)

    def by_baseline(self, baseline: Baseline) -> Predict:
        return lambda features: baseline.predict(of_numbers(features, np.zeros(len(features))))

    def mean(self) -> Predict:
        return evaluation.mean_of_triples(self._dataset)

    def evaluate(self, predicts: Sequence[Predict]) -> list[Evaluation]:
        return [evaluation.evaluate(predict, self._dataset) for predict in predicts]

    def compare(self, rows: Mapping[str, Sequence[Evaluation]]) -> list[Difference]:
        return _compare(rows, "eval", len(self._dataset.eval.targets), "regression")

    def challenge(self, error: float, mean: float, challenger: Path, champion: Path) -> Challenge:
        losses = evaluation.eval_losses(load_onnx(champion), self._dataset)
        theirs = sqrt(float(losses.sum()) / len(self._dataset.eval.targets))
        return Challenge(theirs, error > theirs, None)

    def importances(self, predict: Predict) -> dict[str, Importance]:
        features, targets = self._dataset.eval
        columns = dict(zip(NAMES, features.T, strict=True))

        def by_name(columns: Columns) -> NDArray[Any]:
            return predict(np.column_stack([columns[name] for name in NAMES]))

        return permutation_importance(by_name, columns, targets, "regression", SEED)

    def interactions(self, network: keras.Model) -> list[Interaction] | None:
        features = self._dataset.train.features[:CHECKED_ROWS]
        return crosses(network, features, {name: [index] for index, name in enumerate(NAMES)})

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
        binary = table.schema.task == "binary"
        self.reported_by = "test_log_loss" if binary else "test_rmse"

    def training(self, name: ModelName) -> Training[Any]:
        return training.table_training(name, self._table, self._config)

    def baseline(self, name: BaselineName) -> Baseline | None:
        return fit(name, self._table, self._config.seed)

    def export(self, network: keras.Model, folder: Path) -> None:
        export_table(network, self._table.preprocessing, self._table.schema, folder)
        columns, _ = self._table.validation.first(CHECKED_ROWS)
        check_table_parity(network, self._table.preprocessing, folder, columns)

    def by_network(self, network: keras.Model) -> Predict:
        def predict(columns: Columns) -> NDArray[Any]:
            outputs = predict_rows(network, [self._encoded(columns)])
            return predictions(outputs, self._table.preprocessing)

        return predict

    def by_baseline(self, baseline: Baseline) -> Predict:
        return lambda columns: baseline.predict(self._encoded(columns))

    def mean(self) -> Predict:
        return evaluation.mean_of(self._table)

    def evaluate(self, predicts: Sequence[Predict]) -> list[Evaluation]:
        return evaluation.evaluate_table(predicts, self._table)

    def compare(self, rows: Mapping[str, Sequence[Evaluation]]) -> list[Difference]:
        return _compare(rows, "test", self._table.test.rows, self._table.schema.task)

    def challenge(self, error: float, mean: float, challenger: Path, champion: Path) -> Challenge:
        task, rows = self._table.schema.task, self._table.validation.rows
        ours, theirs = (
            evaluation.validation_losses(load_onnx(folder), self._table)
            for folder in (challenger, champion)
        )
        difference = worse(ours, theirs, group_counts(rows), task, SEED, mean)
        return Challenge(
            reported(float(theirs.sum()) / rows, task),
            difference.low > 0,
            (difference.low, difference.high),
        )

    def importances(self, predict: Predict) -> dict[str, Importance]:
        features = len(self._table.schema.features)
        columns, targets = self._table.test.first(min(CHECKED_ROWS, SHUFFLED_CELLS // features))
        repeats = SHUFFLES if features <= WIDE else 1
        task = self._table.schema.task
        return permutation_importance(predict, columns, targets, task, SEED, repeats)

    def interactions(self, network: keras.Model) -> list[Interaction] | None:
        rows = self._table.train.sample(CHECKED_ROWS)
        where = where_in_x0(self._table.preprocessing, self._config.numeric_embedding)
        return crosses(network, [rows.numbers.T, rows.codes.T], where)

    def held_out(self, rows: int) -> HeldOut:
        columns, targets = self._table.validation.first(rows)
        features = [
            [None if _is_missing(value) else value for value in column.tolist()]
            for column in columns.values()
        ]
        return HeldOut(list(zip(*features, strict=True)), targets.tolist())

    def _encoded(self, columns: Columns) -> Encoded:
        no_targets = np.zeros(len(next(iter(columns.values()))))
        return encode(columns, no_targets, self._table.preprocessing, self._config.precision)


def _compare(
    rows: Mapping[str, Sequence[Evaluation]], side: str, count: int, task: Task
) -> list[Difference]:
    losses = {
        name: np.stack([one.losses[side] for one in repeats]) for name, repeats in rows.items()
    }
    return compare(losses, group_counts(count), task, SEED)


class TriplesSides(NamedTuple):
    """Triples as a table's rows: numbers as they are, the last ones for choosing."""

    preprocessing: Preprocessing
    train: InMemory
    validation: InMemory


def _triples_as_sides(split: Split) -> TriplesSides:
    numbers = tuple(Number(name, 0.0, 1.0, marked=False) for name in NAMES)
    end = len(split.targets) - max(1, round(len(split.targets) * CHOOSING))
    parts = (
        InMemory(of_numbers(split.features[part], split.targets[part]))
        for part in (slice(end), slice(end, None))
    )
    return TriplesSides(Preprocessing("regression", numbers, (), 0.0, 1.0), *parts)


def _is_missing(value: float | str) -> bool:
    return not value if isinstance(value, str) else isnan(value)
