from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.config import TableDataset, TrainConfig
from models.experiment import Experiment, TableExperiment, TriplesExperiment
from models.export import load_onnx
from models.parquet import OneFile
from models.schema import Column, TableSchema, Task
from models.table import prepare
from tests.models.tables import make_table


def experiment(folder: Path, task: Task | None) -> Experiment:
    fields = {"dataset": "houses" if task else {"size": 500}, "epochs": 2, "max_restarts": 0}
    config = TrainConfig.model_validate(fields)
    if task is None or not isinstance(config.dataset, TableDataset):
        assert not isinstance(config.dataset, TableDataset)
        return TriplesExperiment(config, config.dataset)
    parquet, schema = make_table(folder, rows=500, task=task)
    return TableExperiment(config, prepare(parquet, schema, config.dataset, folder, 2**20))


@pytest.mark.parametrize(
    ("task", "chosen_by"),
    [(None, "eval_rmse"), ("regression", "validation_rmse"), ("binary", "validation_log_loss")],
)
def test_what_is_exported_is_measured_and_measured_again_as_a_champion(
    tmp_path: Path, task: Task | None, chosen_by: str
) -> None:
    made = experiment(tmp_path, task)
    steps: list[tuple[int, int]] = []
    trained = made.training("cross").alone(lambda step: steps.append((step.number, step.of)))
    assert steps == [(1, 2), (2, 2)]
    made.export(trained.network, tmp_path / "cross")
    predicts = [load_onnx(tmp_path / "cross"), made.mean(), made.by_network(trained.network)]
    scores, of_mean, as_trained = (each.scores for each in made.evaluate(predicts))
    assert scores.keys() == of_mean.keys()
    assert made.reported_by in scores
    assert as_trained == pytest.approx(scores, rel=1e-4)

    mean = of_mean[chosen_by]
    itself = made.challenge(scores[chosen_by], mean, tmp_path / "cross", tmp_path / "cross")
    assert itself.champion == pytest.approx(scores[chosen_by], rel=1e-12)
    assert not itself.worse


def test_rows_that_are_held_out_say_what_is_missing(tmp_path: Path) -> None:
    instances, targets = experiment(tmp_path, "regression").held_out(30)
    assert len(instances) == len(targets) == 30
    kinds = [{type(value) for value in column} for column in zip(*instances, strict=True)]
    assert kinds == [{float}, {float, type(None)}, {float}, {str, type(None)}]


def test_no_more_rows_are_held_out_than_there_are(tmp_path: Path) -> None:
    instances, _ = experiment(tmp_path, "regression").held_out(10_000)
    assert 20 < len(instances) < 80  # about a tenth of 500


def test_of_two_versions_that_are_exact_neither_is_worse(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    a, b = draw.random((2, 400))
    parquet = OneFile(tmp_path / "data.parquet")
    pq.write_table(pa.table({"a": a, "b": b, "y": a * b + a}), parquet.path)
    features = (Column(name="a", type="number"), Column(name="b", type="number"))
    schema = TableSchema(features=features, target="y", task="regression")
    exact = {"dataset": "houses", "optimizer": {"name": "levenberg_marquardt"}, "repeats": 2}
    config = TrainConfig.model_validate({**exact, "cross": {"layers": 1}})
    assert isinstance(config.dataset, TableDataset)
    table = prepare(parquet, schema, config.dataset, tmp_path, 2**20, config.precision)
    made = TableExperiment(config, table)
    folders = [tmp_path / "one", tmp_path / "other"]
    kept = made.training("cross").alone().repeats
    for repeat, folder in zip(kept, folders, strict=True):
        made.export(repeat.network, folder)
    measured = made.evaluate([made.mean(), *map(load_onnx, folders)])
    mean, *errors = (each.scores["validation_rmse"] for each in measured)
    assert 0 < max(errors) < 1e-13
    assert errors[0] != errors[1]
    there, back = (
        made.challenge(error, mean, *pair)
        for error, pair in zip(errors, (folders, folders[::-1]), strict=True)
    )
    for challenge in (there, back):
        assert not challenge.worse
        assert challenge.interval == (0, 0)
