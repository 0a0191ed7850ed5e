from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.columns import Columns
from models.importance import ROWS, Importance, permutation_importance
from models.losses import log_losses
from models.schema import Task

CITIES = np.array(["Oslo", "Rome", ""], object)


def columns_of(rows: int) -> Columns:
    draw = np.random.default_rng(0)
    return {
        "area": draw.normal(size=rows),
        "age": draw.normal(size=rows),
        "city": CITIES[draw.integers(3, size=rows)],
        "noise": np.where(draw.random(rows) < 0.5, np.nan, 1.0),
    }


def price(columns: Columns) -> NDArray[Any]:
    result: NDArray[Any] = 3 * columns["area"] + columns["age"] + (columns["city"] == "Oslo")
    return result


def test_the_loss_without_a_feature_is_that_of_its_values_in_another_order() -> None:
    columns = columns_of(5000)
    targets = price(columns) + np.random.default_rng(1).normal(size=5000)
    found = permutation_importance(price, columns, targets, "regression", seed=0)
    assert [*found] == [*columns]
    # Two independent draws of a feature differ by twice its variance; the noise has 1.
    for name, coefficient, variance in (("area", 3, 1), ("age", 1, 1), ("city", 1, 2 / 9)):
        expected = np.sqrt(1 + 2 * coefficient**2 * variance) - 1
        assert found[name].increase == pytest.approx(expected, rel=0.1)
        assert 0 < found[name].deviation < 0.1
    assert found["noise"] == Importance(0.0, 0.0)


def test_a_binary_target_is_measured_by_its_log_loss() -> None:
    columns = columns_of(2000)
    targets = (columns["area"] > 0).astype(float)

    def predict(columns: Columns) -> NDArray[Any]:
        return np.where(columns["area"] > 0, 0.9, 0.1)

    found = permutation_importance(predict, columns, targets, "binary", seed=0)
    # Half of the rows are then predicted wrongly.
    assert found["area"].increase == pytest.approx((np.log(0.9) - np.log(0.1)) / 2, rel=0.05)
    assert found["age"].increase == 0
    whole = log_losses(predict(columns), targets).mean()
    assert whole == pytest.approx(-np.log(0.9))


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_what_is_predicted_is_at_most_so_many_rows_spread_over_all(task: Task) -> None:
    rows = 3 * ROWS + 1
    seen: list[NDArray[Any]] = []

    def predict(columns: Columns) -> NDArray[Any]:
        seen.append(columns["row"])
        return np.full(len(columns["row"]), 0.5)

    permutation_importance(predict, {"row": np.arange(rows)}, np.zeros(rows), task, 0, repeats=2)
    assert len(seen) == 3
    whole, *shuffled = seen
    assert len(whole) == ROWS
    assert whole[0] == 0
    assert whole[-1] > rows - 10
    for values in shuffled:
        assert sorted(values) == sorted(whole)
        assert not np.array_equal(values, whole)
    assert not np.array_equal(shuffled[0], shuffled[1])


def test_a_seed_gives_the_same_importance_whatever_else_there_is() -> None:
    columns = columns_of(300)
    targets = price(columns)
    first = permutation_importance(price, columns, targets, "regression", seed=5)
    fewer = {name: columns[name] for name in ("city", "age", "area")}
    again = permutation_importance(price, fewer, targets, "regression", seed=5)
    assert {name: first[name] for name in fewer} == again
    other = permutation_importance(price, columns, targets, "regression", seed=6)
    assert first["area"] != other["area"]


def test_columns_stay_as_they_are() -> None:
    columns = columns_of(50)
    before = {name: values.copy() for name, values in columns.items()}
    permutation_importance(price, columns, price(columns), "regression", seed=0)
    for name, values in before.items():
        np.testing.assert_array_equal(columns[name], values)


def test_one_shuffle_has_no_deviation() -> None:
    columns = columns_of(50)
    found = permutation_importance(price, columns, price(columns), "regression", 0, repeats=1)
    assert found["area"].increase > 0
    assert found["area"].deviation == 0
