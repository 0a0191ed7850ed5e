import os
import subprocess
import sys

import numpy as np
import pytest

from models.baselines import trees
from models.baselines.fit import fit
from models.schema import Task
from tests.models.baselines.sides import Made, at, make, rmse


def steps(task: Task = "regression", rows: int = 4000) -> Made:
    """The target is a step of one number, one of being missing, and one of each word."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(2, rows))
    missing = draw.random(rows) < 0.2
    x[1, missing] = 0
    codes = draw.integers(0, 12, (1, rows))
    targets = (x[0] > 0.3) + 2.0 * missing + (codes[0] % 2)
    if task == "binary":
        targets = targets > 1.5
    return make(np.concatenate([x, [missing]]), targets, codes, task, [10], marked=[1])


def test_steps_are_learned() -> None:
    table = steps()
    baseline = fit("trees", table, seed=1)
    assert baseline is not None
    assert rmse(baseline.predict(table.test), table.test.targets) < 0.05
    assert baseline.rows == table.train.rows
    assert baseline.parameters > 10


def test_what_is_missing_is_not_zero() -> None:
    table = steps()
    baseline = fit("trees", table, seed=1)
    assert baseline is not None
    there, missing = (baseline.predict(at(table, [1.0, 0.0, mark], [2]))[0] for mark in (0.0, 1.0))
    assert missing - there == pytest.approx(2, abs=0.1)


def test_probabilities_are_of_the_positive_class() -> None:
    table = steps("binary")
    baseline = fit("trees", table, seed=1)
    assert baseline is not None
    predictions = baseline.predict(table.test)
    assert np.mean((predictions > 0.5) == table.test.targets) > 0.99
    assert 0 <= predictions.min() <= predictions.max() <= 1


def test_one_class_alone_teaches_trees_nothing() -> None:
    x = np.random.default_rng(0).normal(size=(1, 100))
    assert fit("trees", make(x, np.ones(100), task="binary"), seed=1) is None


def test_words_beyond_what_a_histogram_takes_share_a_code() -> None:
    draw = np.random.default_rng(0)
    codes = draw.integers(0, 400, (1, 8000))
    table = make(np.zeros((0, 8000)), np.where(codes[0] < 200, 1.0, 0.0), codes, vocabularies=[398])
    baseline = fit("trees", table, seed=1)
    assert baseline is not None
    assert rmse(baseline.predict(table.test), table.test.targets) < 0.1
    rare = [baseline.predict(at(table, [], [code]))[0] for code in (trees.CODES, 300, 399)]
    assert len(set(rare)) == 1


def test_codes_that_no_training_row_has_get_an_answer() -> None:
    x = np.random.default_rng(0).normal(size=(1, 1000))
    table = make(x, x[0], np.full((1, 1000), 2), vocabularies=[3])
    baseline = fit("trees", table, seed=1)
    assert baseline is not None
    assert np.isfinite([baseline.predict(at(table, [0.5], [code])) for code in range(5)]).all()


@pytest.mark.parametrize("most", [trees.MOST_CELLS, 2000], ids=["all rows", "some rows"])
def test_the_same_rows_and_seed_grow_the_same_trees(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "MOST_CELLS", most)
    table = steps()
    one, other = (fit("trees", table, seed=3) for _ in range(2))
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one.predict(table.test), other.predict(table.test))
    assert one[1:3] == other[1:3]


def test_of_too_many_rows_some_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MOST_CELLS", 6000)
    baseline = fit("trees", steps(), seed=1)
    assert baseline is not None
    assert baseline.rows == pytest.approx(2000, rel=0.1)


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_to_import_it_starts_no_thread() -> None:
    # A process that forks imports it, and no thread survives a fork.
    quiet = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
    program = "import os, models.baselines.fit; print(len(os.listdir('/proc/self/task')))"
    command = [sys.executable, "-c", program]
    output = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **quiet}
    ).stdout
    assert output == "1\n"
