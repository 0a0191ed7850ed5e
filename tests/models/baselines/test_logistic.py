import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from models.baselines import design as columns
from models.baselines import logistic
from models.baselines.fit import fit
from models.config import BaselineName
from models.data import Array
from tests.models.baselines.sides import Made, at, make

WEIGHTS = np.array([1.0, -2.0])


def drawn(rows: int = 20_000, shift: float = -1.0) -> tuple[Made, Array]:
    """A table whose log-odds are linear; and the probabilities of its test rows."""
    draw = np.random.default_rng(4)
    x = draw.normal(size=(2, rows))
    codes = draw.integers(0, 5, (1, rows))
    truth = expit(shift + WEIGHTS @ x + np.array([0, 0, 1, -1, 0.5])[codes[0]])
    table = make(x, draw.random(rows) < truth, codes, "binary", [3])
    return table, truth[-len(table.test.targets) :]


@pytest.mark.parametrize("name", ["linear", "products"])
def test_probabilities_are_calibrated(name: BaselineName) -> None:
    table, truth = drawn()
    baseline = fit(name, table, seed=1)
    assert baseline is not None
    predictions = baseline.predict(table.test)
    assert np.abs(predictions - truth).mean() < 0.02
    assert predictions.mean() == pytest.approx(truth.mean(), abs=0.01)
    known = baseline.predict(table.train.encoded)
    assert known.mean() == pytest.approx(table.train.encoded.targets.mean(), abs=1e-3)


def test_coefficients_are_recovered() -> None:
    table, _ = drawn()
    baseline = fit("linear", table, seed=1)
    assert baseline is not None

    def log_odds(*x: float) -> float:
        probability = baseline.predict(at(table, x, [2]))[0]
        return float(np.log(probability / (1 - probability)))

    zero = log_odds(0, 0)
    np.testing.assert_allclose([log_odds(1, 0) - zero, log_odds(0, 1) - zero], WEIGHTS, atol=0.1)


def test_products_learn_what_a_line_cannot() -> None:
    x = np.random.default_rng(0).normal(size=(2, 4000))
    table = make(x, x[0] * x[1] > 0, task="binary")
    line, products = fit("linear", table, seed=1), fit("products", table, seed=1)
    assert line is not None
    assert products is not None
    assert np.mean((line.predict(table.test) > 0.5) == table.test.targets) < 0.6
    assert np.mean((products.predict(table.test) > 0.5) == table.test.targets) > 0.97


def test_the_minimum_is_that_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic, "PENALTIES", (10.0,))
    monkeypatch.setattr(logistic, "TOLERANCE", 1e-12)
    table, _ = drawn(3000)
    line = columns.design(table, products=False)
    ours = logistic.fit(line, table, seed=1).predict(table.test)
    matrix = [line.matrix(each).toarray()[:, 1:] for each in (table.train.encoded, table.test)]
    theirs = LogisticRegression(C=0.1, tol=1e-10, max_iter=1000)
    theirs.fit(matrix[0], table.train.encoded.targets)
    np.testing.assert_allclose(ours, theirs.predict_proba(matrix[1])[:, 1], atol=1e-5)


@pytest.mark.parametrize("word_cost", [columns.WORD_COST, 0], ids=["dense words", "sparse words"])
def test_many_small_blocks_are_as_good_as_one(
    word_cost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, _ = drawn(2000)
    whole = logistic.fit(columns.design(table, products=True), table, seed=1)
    monkeypatch.setattr(columns, "WORD_COST", word_cost)
    monkeypatch.setattr(columns, "BLOCK_ROWS", 67)
    parts = logistic.fit(columns.design(table, products=True), table, seed=1)
    np.testing.assert_allclose(parts.predict(table.test), whole.predict(table.test), atol=1e-4)


def test_classes_that_a_line_divides_are_no_trouble() -> None:
    x = np.random.default_rng(0).normal(size=(3, 2000))
    table = make(x, x[0] > 0, task="binary")
    baseline = fit("products", table, seed=1)
    assert baseline is not None
    predictions = baseline.predict(table.test)
    assert np.isfinite(predictions).all()
    assert np.mean((predictions > 0.5) == table.test.targets) > 0.98


@pytest.mark.parametrize("positive", [0, 1])
def test_one_class_alone_is_what_is_predicted(positive: int) -> None:
    table = make(
        np.random.default_rng(0).normal(size=(2, 500)), np.full(500, positive), None, "binary"
    )
    baseline = fit("linear", table, seed=1)
    assert baseline is not None
    np.testing.assert_allclose(baseline.predict(table.test), positive, atol=0.01)


def test_of_too_many_rows_some_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    table, truth = drawn()
    line = columns.design(table, products=False)
    monkeypatch.setattr(logistic, "MEMORY_NUMBERS", 5000 * line.cost)
    fitted = logistic.fit(line, table, seed=1)
    assert fitted.rows == pytest.approx(5000, rel=0.1)
    assert np.abs(fitted.predict(table.test) - truth).mean() < 0.03
