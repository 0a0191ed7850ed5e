import numpy as np
import pytest

from models.baselines import design as columns
from models.baselines.design import design
from models.data import Array
from models.preprocessing import Encoded
from tests.models.baselines.sides import at, make


def test_a_line_has_a_constant_numbers_marks_and_the_words_that_occur() -> None:
    draw = np.random.default_rng(0)
    numbers = np.concatenate([draw.normal(size=(2, 100)), draw.integers(0, 2, (1, 100))])
    codes = np.where(draw.random((1, 100)) < 0.4, 2, 4)
    table = make(numbers, draw.normal(size=100), codes, vocabularies=[3], marked=[1])
    line = design(table, products=False)
    assert line.columns == 1 + 3 + 2
    row = line.matrix(at(table, [0.5, -2, 1], [4])).toarray()
    np.testing.assert_array_equal(row, [[1, 0.5, -2, 1, 0, 1]])


@pytest.mark.parametrize("code", [0, 1, 3, 5])
def test_codes_that_no_training_row_has_add_nothing(code: int) -> None:
    codes = np.full((1, 100), 2)
    codes[:, ::3] = 4
    table = make(np.zeros((1, 100)), np.zeros(100), codes, vocabularies=[4])
    for products in (False, True):
        row = design(table, products).matrix(at(table, [1.0], [code])).toarray()[0]
        assert np.count_nonzero(row) == (3 if products else 2)  # the constant, and the number


def squares_and_pairs(x: Array) -> Array:
    one, other = np.triu_indices(len(x))
    return np.asarray(x[one] * x[other])


def test_products_are_all_pairs_and_squares() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(4, 50))
    made = design(make(x, draw.normal(size=50)), products=True)
    assert made.columns == 1 + 4 + 10
    matrix = made.matrix(Encoded(x, np.empty((0, 50), np.int32), np.zeros(50))).toarray()
    expected = [np.ones(50), *x, *squares_and_pairs(x)]
    assert {tuple(column) for column in matrix.T} == {tuple(column) for column in expected}


def test_what_is_0_or_1_has_no_square_and_words_of_one_feature_no_product() -> None:
    draw = np.random.default_rng(0)
    numbers = np.concatenate([draw.normal(size=(1, 500)), draw.integers(0, 2, (1, 500))])
    codes = draw.integers(2, 5, (2, 500))
    table = make(numbers, draw.normal(size=500), codes, vocabularies=[3, 3], marked=[0])
    made = design(table, products=True)
    squares = 1
    across = 1 + 2 * 6 + 3 * 3  # number and mark; either and a word; words of both features
    assert made.columns == 1 + 2 + 6 + squares + across
    row = made.matrix(at(table, [3.0, 1.0], [2, 4])).toarray()[0]
    # The number 3 stands alone, with the mark and with each of two words.
    assert np.count_nonzero(row == 3) == 4
    assert np.count_nonzero(row == 9) == 1


def test_numbers_come_before_words_and_those_that_matter_before_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(5, 1000))
    codes = draw.integers(2, 4, (1, 1000))
    table = make(x, x[3] + 0.5 * x[1], codes, vocabularies=[2])
    monkeypatch.setattr(columns, "PRODUCT_COLUMNS", 3)
    made = design(table, products=True)
    assert sorted(zip(made.first, made.second, strict=True)) == [(1, 1), (1, 3), (3, 3)]


def test_frequent_words_come_before_rare_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.array([[2] * 10 + [3] * 60 + [4] * 30, [2] * 55 + [3] * 45])
    codes = np.random.default_rng(0).permuted(np.tile(codes, 10), axis=1)
    table = make(np.zeros((0, 1000)), np.zeros(1000), codes, vocabularies=[3, 2])
    monkeypatch.setattr(columns, "PRODUCT_COLUMNS", 3)
    made = design(table, products=True)
    assert made.multiplied_words.tolist() == [1, 3, 4]  # of 60, 55 and 45 rows in a hundred
    pairs = {
        frozenset(pair) for pair in zip(made.first.tolist(), made.second.tolist(), strict=True)
    }
    assert pairs == {frozenset([0, 1]), frozenset([0, 2])}


def test_rarer_words_share_a_column(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    codes = np.minimum(draw.geometric(0.3, (1, 1000)) + 1, 11)
    table = make(np.zeros((0, 1000)), np.zeros(1000), codes, vocabularies=[10])
    monkeypatch.setattr(columns, "WORD_COLUMNS", 4)
    line = design(table, products=False)
    assert line.word_columns == 5
    of_code = line.column_of_code[0]
    assert of_code[2:6].tolist() == [0, 1, 2, 3]
    assert set(of_code[6:]) == {4}
    assert of_code[0] == of_code[1] == 4  # never met: as good as any other rare one
