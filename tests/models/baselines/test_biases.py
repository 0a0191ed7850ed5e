import numpy as np
import pytest

from models.baselines import biases
from models.baselines.fit import fit
from models.schema import Task
from tests.models.baselines.sides import at, make, rated, rmse


def test_what_users_and_items_add_is_recovered() -> None:
    table, truth = rated()
    baseline = fit("biases", table, seed=1)
    assert baseline is not None
    assert rmse(baseline.predict(table.test), truth) < 0.2
    assert baseline.rows == table.train.rows
    assert baseline.parameters == 1 + 102 + 202  # the missing and the unseen one, too


def test_a_user_with_few_ratings_is_shrunk_towards_the_mean() -> None:
    draw = np.random.default_rng(0)
    codes = draw.integers(2, 60, (2, 10_000))
    ratings = draw.normal(size=10_000)
    codes[0, :2], ratings[:2] = 60, 10.0
    table = make(np.empty((0, 10_000)), ratings, codes, vocabularies=(60, 60))
    baseline = fit("biases", table, seed=1)
    assert baseline is not None
    few, never = (baseline.predict(at(table, [], [user, 1]))[0] for user in (60, 61))
    assert never == pytest.approx(table.train.encoded.targets.mean(), abs=1e-9)
    assert never < few < 5


@pytest.mark.parametrize(
    ("task", "users", "items", "rows"),
    [
        ("binary", 100, 200, 20_000),
        ("regression", 49, 200, 20_000),  # few enough to be anything
        ("regression", 100, 5000, 20_000),  # most of them met once or twice
    ],
)
def test_a_table_without_users_and_items_has_none(
    task: Task, users: int, items: int, rows: int
) -> None:
    draw = np.random.default_rng(0)
    codes = np.stack([draw.integers(0, 2 + size, rows) for size in (users, items)])
    targets = draw.integers(0, 2, rows)
    table = make(np.empty((0, rows)), targets, codes, task, (users, items))
    assert fit("biases", table, seed=1) is None


@pytest.mark.parametrize("features", [0, 1])
def test_one_identifier_is_not_enough(features: int) -> None:
    codes = np.random.default_rng(0).integers(0, 100, (features, 5000))
    table = make(np.zeros((1, 5000)), np.zeros(5000), codes, vocabularies=[98] * features)
    assert fit("biases", table, seed=1) is None


def test_the_largest_vocabularies_are_users_and_items() -> None:
    draw = np.random.default_rng(0)
    codes = np.stack([draw.integers(0, 2 + size, 10_000) for size in (80, 5, 60)])
    targets = draw.normal(size=82)[codes[0]] + draw.normal(size=62)[codes[2]]
    table = make(np.zeros((1, 10_000)), targets, codes, vocabularies=(80, 5, 60))
    baseline = fit("biases", table, seed=1)
    assert baseline is not None
    assert rmse(baseline.predict(table.test), table.test.targets) < 0.1


def test_of_too_many_rows_some_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(biases, "MOST_ROWS", 5000)
    table, _ = rated()
    baseline = fit("biases", table, seed=1)
    assert baseline is not None
    assert baseline.rows == pytest.approx(5000, rel=0.1)
