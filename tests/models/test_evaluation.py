import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from models import losses, parquet
from models.columns import Columns
from models.config import SyntheticDataset, TableDataset
from models.data import Array, Dataset, Split, load
from models.evaluation import (
    BLOCK_ROWS,
    Evaluation,
    Predict,
    eval_losses,
    evaluate,
    evaluate_table,
    in_blocks,
    mean_of,
    mean_of_triples,
    validation_losses,
)
from models.losses import LOSS_OF
from models.schema import Task
from models.splits import Unsuitable
from models.table import Rows, Table, prepare
from tests.models.tables import make_table


def split(targets: list[float]) -> Split:
    # The first feature is the target.
    features = np.zeros((len(targets), 3))
    features[:, 0] = targets
    return Split(features, np.array(targets))


def dataset(train_targets: list[float], eval_targets: list[float]) -> Dataset:
    return Dataset(split(train_targets), split(eval_targets), fingerprint="")


def test_rmse_is_the_square_root_of_mse_on_both_splits() -> None:
    scores = evaluate(
        lambda features: np.zeros(len(features)), dataset([1.0, 7.0], [6.0, 6.0, 0.0, 0.0])
    ).scores
    assert scores == {
        "train_rmse": 5.0,
        "eval_rmse": float(np.sqrt(18.0)),
        "train_mse": 25.0,
        "eval_mse": 18.0,
    }


def test_a_perfect_predictor_has_no_error() -> None:
    scores = evaluate(lambda features: features[:, 0], dataset([0.1, 0.2], [0.3])).scores
    assert set(scores.values()) == {0.0}


def test_the_losses_of_the_triples_are_the_squared_errors_of_the_rows_held_out() -> None:
    rows = dataset([1.0], [6.0, 1.0, 0.0])
    result = evaluate(lambda features: np.zeros(len(features)), rows)
    assert {side: losses.tolist() for side, losses in result.losses.items()} == {"eval": [36, 1, 0]}
    assert result.calibration == []
    alone = eval_losses(lambda features: np.zeros(len(features)), rows)
    np.testing.assert_array_equal(alone, result.losses["eval"])


def test_errors_of_float32_predictions_are_taken_in_float64() -> None:
    # 1 + 2**-12 is a float32, but in float32 its square would lose the 2**-24 at its end.
    def predict(features: Array) -> Any:
        return np.full(len(features), -(2.0**-12), np.float32)

    assert evaluate(predict, dataset([1.0], [0.0])).scores["train_mse"] == 1 + 2**-11 + 2**-24


@pytest.mark.parametrize("rows", [1, BLOCK_ROWS, BLOCK_ROWS + 1, 2 * BLOCK_ROWS + 5])
def test_predicting_in_blocks_equals_predicting_the_whole(rows: int) -> None:
    features = np.random.default_rng(0).random((rows, 3))
    sizes: list[int] = []

    def predict(block: Array) -> Array:
        sizes.append(len(block))
        result: Array = block[:, 0] - 2 * block[:, 1] + block[:, 2] ** 2
        return result

    predictions = in_blocks(predict, features)
    assert sum(sizes) == rows
    assert max(sizes) <= BLOCK_ROWS
    np.testing.assert_array_equal(predictions, predict(features), strict=True)


def of_mean(triples: Dataset) -> dict[str, float]:
    return evaluate(mean_of_triples(triples), triples).scores


def test_the_mean_predictor_answers_the_mean_of_the_training_targets() -> None:
    # Mean 2: training differences are -1 and 1, held out ones 3 and -1.
    assert of_mean(dataset([1.0, 3.0], [5.0, 1.0])) == {
        "train_rmse": 1.0,
        "eval_rmse": float(np.sqrt(5.0)),
        "train_mse": 1.0,
        "eval_mse": 5.0,
    }


def test_the_mean_predictors_errors_are_those_of_the_experiment() -> None:
    scores = of_mean(load(SyntheticDataset()))
    assert scores["train_rmse"] == 0.689292448648356
    assert scores["eval_rmse"] == 0.688865395052829


# Tables.


def evaluated(predict: Predict, table: Table) -> Evaluation:
    (found,) = evaluate_table([predict], table)
    return found


def constant(value: float) -> Callable[[Columns], NDArray[Any]]:
    return lambda columns: np.full(len(columns["rooms"]), value)


@pytest.fixture
def regression(tmp_path: Path) -> Table:
    return table(tmp_path, "regression")


@pytest.fixture
def binary(tmp_path: Path) -> Table:
    return table(tmp_path, "binary")


def table(folder: Path, task: Task, rows: int = 600) -> Table:
    houses = TableDataset(kind="table", name="houses", validation_fraction=0.2)
    return prepare(*make_table(folder, rows, task), houses, folder, memory_bytes=2**20)


def raw(rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    columns, targets = rows.first(rows.rows)
    return columns["rooms"], targets


def sides_of(table: Table) -> dict[str, Rows]:
    return {"train": table.train, "validation": table.validation, "test": table.test}


def test_a_regression_is_scored_on_each_side(
    regression: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "BATCH_ROWS", 17)
    result = evaluated(lambda columns: columns["rooms"].astype("float32"), regression).scores
    expected = {}
    for side, rows in sides_of(regression).items():
        rooms, targets = raw(rows)
        errors = targets - rooms
        expected[f"{side}_rmse"] = np.sqrt(np.mean(errors**2))
        expected[f"{side}_mae"] = np.mean(np.abs(errors))
        expected[f"{side}_r2"] = 1 - np.sum(errors**2) / np.sum((targets - targets.mean()) ** 2)
    assert result == pytest.approx(expected, rel=1e-12)
    assert all(type(value) is float for value in result.values())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_binary_target_is_scored_on_each_side(
    binary: Table, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "BATCH_ROWS", 17)
    # Eight values on hundreds of rows: there are ties within and between the classes.
    result = evaluated(lambda columns: (columns["rooms"] / 9).astype(dtype), binary).scores
    expected = {}
    for side, rows in sides_of(binary).items():
        rooms, targets = raw(rows)
        p = (rooms / 9).astype(dtype).astype(float).tolist()
        of_class: tuple[list[float], list[float]] = ([], [])
        for probability, target in zip(p, targets, strict=True):
            of_class[int(target)].append(probability)
        wins = [(b > a) + (b == a) / 2 for a in of_class[0] for b in of_class[1]]
        losses = [-math.log(q) for q in of_class[1]] + [-math.log(1 - q) for q in of_class[0]]
        right = sum(q > 0.5 for q in of_class[1]) + sum(q <= 0.5 for q in of_class[0])
        expected[f"{side}_log_loss"] = sum(losses) / len(p)
        expected[f"{side}_accuracy"] = right / len(p)
        expected[f"{side}_brier"] = float(np.mean((np.array(p) - targets) ** 2))
        expected[f"{side}_auc"] = sum(wins) / len(wins)
    assert result == pytest.approx(expected, rel=1e-12)
    assert all(type(value) is float for value in result.values())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sure_prediction_that_is_wrong_costs_much_but_not_infinitely_much(
    binary: Table, dtype: str
) -> None:
    def predict(columns: Columns) -> NDArray[Any]:
        return np.zeros(len(columns["rooms"]), dtype)

    result = evaluated(predict, binary).scores
    share = float(np.mean(raw(binary.test)[1]))
    eps = float(np.finfo(dtype).eps)
    assert result["test_log_loss"] == pytest.approx(-share * math.log(eps))
    assert result["test_accuracy"] == pytest.approx(1 - share)


def test_the_mean_baseline_answers_the_mean_of_the_training_targets(regression: Table) -> None:
    mean = float(np.mean(raw(regression.train)[1]))
    result = evaluated(mean_of(regression), regression).scores
    assert result == pytest.approx(evaluated(constant(mean), regression).scores, abs=1e-9)
    assert result["train_r2"] == pytest.approx(0, abs=1e-9)


def test_the_mean_baseline_of_a_binary_target_answers_the_share_of_the_positive_class(
    binary: Table,
) -> None:
    share = float(np.mean(raw(binary.train)[1]))
    result = evaluated(mean_of(binary), binary).scores
    assert result == pytest.approx(evaluated(constant(share), binary).scores, rel=1e-9)
    entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
    assert result["train_log_loss"] == pytest.approx(entropy)
    assert {result[f"{side}_auc"] for side in sides_of(binary)} == {0.5}
    of_test = raw(binary.test)[1].mean()
    assert result["test_accuracy"] == pytest.approx(of_test if share > 0.5 else 1 - of_test)


@pytest.mark.parametrize(("task", "absent"), [("regression", "r2"), ("binary", "auc")])
def test_a_side_with_equal_targets_lacks_the_score_that_would_say_nothing(
    tmp_path: Path, task: Task, absent: str
) -> None:
    file, schema = make_table(tmp_path, 100, task)
    stored = pq.read_table(file.path)
    targets = np.array([0.0, 1.0] * 45 + [1.0] * 10)
    stored = stored.set_column(stored.column_names.index("price"), "price", [targets])
    pq.write_table(stored, file.path)
    in_time = TableDataset(kind="table", name="houses", split_by="sold")
    table = prepare(file, schema, in_time, tmp_path, memory_bytes=2**20)
    result = evaluated(mean_of(table), table).scores
    assert f"train_{absent}" in result
    assert f"test_{absent}" not in result
    assert len(result) == {"regression": 8, "binary": 11}[task]
    assert np.isfinite(list(result.values())).all()


def test_predictions_that_are_not_finite_are_refused(regression: Table) -> None:
    for value in (np.nan, np.inf):
        with pytest.raises(Unsuitable, match="predictions of the train rows are not all finite"):
            evaluated(constant(value), regression)


@pytest.mark.parametrize("task", ["regression", "binary"])
@pytest.mark.parametrize("groups", [10_000, 7])
def test_the_losses_of_rows_held_out_are_summed_by_group(
    tmp_path: Path, task: Task, groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "GROUPS", groups)
    monkeypatch.setattr(parquet, "BATCH_ROWS", 17)
    houses = table(tmp_path, task)

    def predict(columns: Columns) -> NDArray[Any]:
        return columns["rooms"] / 9

    result = evaluated(predict, houses)
    assert result.losses.keys() == {"validation", "test"}
    for side, sums in result.losses.items():
        rooms, targets = raw(sides_of(houses)[side])
        of_rows = LOSS_OF[task](rooms / 9, targets)
        expected = [of_rows[start::groups].sum() for start in range(min(groups, len(of_rows)))]
        np.testing.assert_allclose(sums, expected, rtol=1e-12)
        score = {"regression": "rmse", "binary": "log_loss"}[task]
        mean = losses.reported(float(sums.sum()) / len(of_rows), task)
        assert result.scores[f"{side}_{score}"] == mean
    alone = validation_losses(predict, houses)
    np.testing.assert_array_equal(alone, result.losses["validation"])


def test_what_serves_may_say_of_new_rows_what_is_not_finite(regression: Table) -> None:
    assert np.isnan(validation_losses(constant(np.nan), regression)).all()
    assert np.isinf(validation_losses(constant(1e200), regression)).all()


def test_calibration_is_that_of_the_test_rows(binary: Table) -> None:
    result = evaluated(lambda columns: columns["rooms"] / 9, binary)
    rooms, targets = raw(binary.test)
    assert [tenth.rows for tenth in result.calibration] == [
        np.count_nonzero(rooms == room) for room in np.unique(rooms)
    ]
    assert [tenth.observed for tenth in result.calibration] == [
        targets[rooms == room].mean() for room in np.unique(rooms)
    ]


def test_a_regression_has_no_calibration(regression: Table) -> None:
    assert evaluated(constant(1.0), regression).calibration == []


def test_several_are_evaluated_as_each_would_be(binary: Table) -> None:
    predicts: list[Predict] = [lambda columns: columns["rooms"] / 9, mean_of(binary)]
    together = evaluate_table(predicts, binary)
    for predict, found in zip(predicts, together, strict=True):
        alone = evaluated(predict, binary)
        assert found.scores == alone.scores
        assert found.calibration == alone.calibration
