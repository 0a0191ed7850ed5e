from pathlib import Path

import numpy as np
import pytest

from models.baselines.fit import fit
from models.config import BASELINE_NAMES, BaselineName, TableDataset
from models.evaluation import evaluate_table, mean_of
from models.rows import InMemory, Sides
from models.schema import Task
from models.table import Table, prepare
from models.vocabularies import Values
from tests.models.baselines.sides import rated, rmse
from tests.models.encoded import sample
from tests.models.tables import make_table

OF_ANY_TABLE: tuple[BaselineName, ...] = ("linear", "products", "trees")


def prepared(folder: Path, task: Task, memory_bytes: int) -> Table:
    dataset = TableDataset(kind="table", name="houses")
    return prepare(*make_table(folder, 3000, task), dataset, folder / "encoded", memory_bytes)


@pytest.mark.parametrize("memory_bytes", [2**30, 4000], ids=["memory", "disk"])
@pytest.mark.parametrize("name", OF_ANY_TABLE)
def test_predictions_are_in_the_unit_of_the_target(
    name: BaselineName, memory_bytes: int, tmp_path: Path
) -> None:
    table = prepared(tmp_path, "regression", memory_bytes)
    baseline = fit(name, table, seed=1)
    assert baseline is not None
    known = table.preprocessing
    errors = np.concatenate(
        [
            baseline.predict(block) - (known.target_mean + known.target_scale * block.targets)
            for block in table.test.blocks(64)
        ]
    )
    (mean,) = evaluate_table([mean_of(table)], table)
    assert rmse(errors, np.zeros(1)) < 0.8 * mean.scores["test_rmse"]
    assert baseline.seconds > 0
    assert baseline.rows == table.train.rows


@pytest.mark.parametrize("name", OF_ANY_TABLE)
def test_of_a_binary_target_they_are_probabilities(name: BaselineName, tmp_path: Path) -> None:
    table = prepared(tmp_path, "binary", 2**30)
    baseline = fit(name, table, seed=1)
    assert baseline is not None
    block = next(table.test.blocks(10_000))
    predictions = baseline.predict(block)
    assert predictions.shape == block.targets.shape
    assert predictions.dtype == np.float64
    assert predictions.mean() == pytest.approx(block.targets.mean(), abs=0.1)
    assert np.mean((predictions > 0.5) == block.targets) > 0.75


@pytest.mark.parametrize("name", BASELINE_NAMES)
def test_numbers_that_networks_look_up_are_nothing_but_numbers_here(name: BaselineName) -> None:
    made, _ = rated(rows=5000)
    looked_up = made._replace(
        preprocessing=made.preprocessing._replace(values=(Values("gain", (0.0, 1.0), 2),)),
        train=with_lookup(made.train),
        validation=with_lookup(made.validation),
    )
    plain, other = fit(name, made, seed=1), fit(name, looked_up, seed=1)
    assert plain is not None
    assert other is not None
    assert plain.parameters == other.parameters
    test = with_lookup(InMemory(made.test)).encoded
    np.testing.assert_array_equal(other.predict(test), plain.predict(made.test))


def with_lookup(rows: InMemory) -> InMemory:
    """The rows with the codes of one number more."""
    block = rows.encoded
    more = np.random.default_rng(0).integers(0, 4, (1, rows.rows), np.int32)
    return InMemory(block._replace(codes=np.concatenate([block.codes, more])))


def of_users_and_items() -> Sides:
    return rated()[0]


@pytest.mark.parametrize("name", BASELINE_NAMES)
@pytest.mark.parametrize("made", [of_users_and_items, sample], ids=["biases", "numbers"])
def test_the_same_rows_and_seed_give_the_same_predictions(
    name: BaselineName, made: type[Sides]
) -> None:
    table = made()
    one, other = (fit(name, table, seed=7) for _ in range(2))
    if one is None or other is None:
        assert name == "biases"
        return
    block = next(table.validation.blocks(1000))
    np.testing.assert_array_equal(one.predict(block), other.predict(block))


@pytest.mark.parametrize("name", BASELINE_NAMES)
def test_the_test_rows_decide_nothing_and_the_validation_rows_hardly(name: BaselineName) -> None:
    table, _ = rated()
    targets = table.validation.encoded.targets
    spoilt = table._replace(
        validation=InMemory(table.validation.encoded._replace(targets=targets + 1000))
    )
    baseline = fit(name, spoilt, seed=1)
    assert baseline is not None
    assert baseline.predict(table.test).mean() < 10  # nothing was learned from them
