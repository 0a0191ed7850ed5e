import numpy as np
import pytest

from models.baselines import design as columns
from models.baselines import ridge
from models.baselines.fit import fit
from models.baselines.fitted import Fitted
from models.preprocessing import Number, bent
from tests.models.baselines.sides import Made, at, make, rmse, triples


@pytest.mark.parametrize("seed", range(3))
def test_products_are_exact_on_the_triples(seed: int) -> None:
    table = triples(100_000, seed)
    baseline = fit("products", table, seed=1)
    assert baseline is not None
    assert rmse(baseline.predict(table.test), table.test.targets) <= 1e-15
    assert baseline.parameters == 10
    assert baseline.rows == table.train.rows


def test_the_line_has_no_products() -> None:
    table = triples()
    baseline = fit("linear", table, seed=1)
    assert baseline is not None
    assert 0.1 < rmse(baseline.predict(table.test), table.test.targets) < 0.2
    assert baseline.parameters == 4


def noisy(rows: int = 2000, numbers: int = 3) -> Made:
    draw = np.random.default_rng(5)
    x = draw.normal(size=(numbers, rows))
    codes = draw.integers(0, 5, (1, rows))
    targets = 2 * x[0] - x[1] + np.array([0, 0, 3, -3, 0.5])[codes[0]]
    return make(x, targets + 0.1 * draw.normal(size=rows), codes, vocabularies=[3])


def test_coefficients_are_recovered() -> None:
    table = noisy()
    baseline = fit("linear", table, seed=1)
    assert baseline is not None

    def difference(numbers: tuple[list[float], list[float]], codes: tuple[int, int]) -> float:
        one, other = (
            baseline.predict(at(table, x, [code])) for x, code in zip(numbers, codes, strict=True)
        )
        return float(one[0] - other[0])

    zero = [0.0, 0.0, 0.0]
    assert difference(([1.0, 0.0, 0.0], zero), (2, 2)) == pytest.approx(2, abs=0.02)
    assert difference(([0.0, 1.0, 0.0], zero), (2, 2)) == pytest.approx(-1, abs=0.02)
    assert difference((zero, zero), (2, 3)) == pytest.approx(6, abs=0.05)


@pytest.mark.parametrize("folded", [ridge.FOLDED, 0], ids=["folded", "summed"])
@pytest.mark.parametrize("products", [False, True])
@pytest.mark.parametrize("word_cost", [columns.WORD_COST, 0], ids=["dense words", "sparse words"])
def test_many_small_blocks_are_as_good_as_one(
    folded: int, products: bool, word_cost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = noisy()
    monkeypatch.setattr(ridge, "FOLDED", folded)

    def fitted() -> Fitted:
        return ridge.fit(columns.design(table, products), table, seed=1)

    whole = fitted().predict(table.test)
    monkeypatch.setattr(columns, "WORD_COST", word_cost)
    monkeypatch.setattr(columns, "BLOCK_ROWS", 67)
    np.testing.assert_allclose(fitted().predict(table.test), whole, atol=1e-9)


def test_folding_and_summing_come_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    table = noisy()
    line = columns.design(table, products=False)
    folded = ridge.fit(line, table, seed=1).predict(table.test)
    monkeypatch.setattr(ridge, "FOLDED", 0)
    summed = ridge.fit(line, table, seed=1).predict(table.test)
    np.testing.assert_allclose(folded, summed, atol=1e-3)  # one may be without a penalty


def test_noise_in_many_columns_is_shrunk_away() -> None:
    draw = np.random.default_rng(8)
    x = draw.normal(size=(30, 300))
    table = make(x, draw.normal(size=300))
    baseline = fit("products", table, seed=1)
    assert baseline is not None
    assert baseline.parameters > table.train.rows
    assert rmse(baseline.predict(table.test), table.test.targets) < 1.3


def test_outliers_do_not_blow_up() -> None:
    draw = np.random.default_rng(2)
    size = draw.lognormal(size=5000)
    raw = np.stack([size, size * draw.normal(1, 0.001, 5000), draw.normal(size=5000)])
    targets = np.log(size) + 0.1 * raw[2]
    raw[:, -5:] = [[0, 60, 1e6, 3, 5], [50, 0, -1e6, 1e12, 0.1], [1e9, -4, 0, 0, 0]]
    scaled = (raw - raw[:, :4000].mean(axis=1)[:, None]) / raw[:, :4000].std(axis=1)[:, None]
    table = make(bent(scaled, Number("", 0, 1, marked=False)), targets)
    baseline = fit("products", table, seed=1)
    assert baseline is not None
    predictions = baseline.predict(table.test)
    assert rmse(predictions[:-5], table.test.targets[:-5]) < 0.4
    assert np.abs(predictions[-5:]).max() < 10


def test_equal_columns_are_no_trouble() -> None:
    x = np.random.default_rng(1).normal(size=(1, 1000))
    table = make(np.concatenate([x, x, np.zeros_like(x)]), 3 * x[0])
    baseline = fit("products", table, seed=1)
    assert baseline is not None
    assert rmse(baseline.predict(table.test), table.test.targets) < 1e-12


def test_of_too_many_rows_some_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    table = noisy()
    monkeypatch.setattr(ridge, "FOLDED", 0)
    monkeypatch.setattr(ridge, "SUMMED", 0)
    line = columns.design(table, products=False)
    fitted = ridge.fit(line, table, seed=1)
    assert fitted.rows == pytest.approx(ridge.ROWS_PER_COLUMN * line.columns, rel=0.5)
    assert rmse(fitted.predict(table.test), table.test.targets) < 0.2
