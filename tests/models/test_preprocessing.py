from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from models.columns import Columns
from models.preprocessing import Number, Preprocessing, bent, encode, fit
from models.schema import Column, TableSchema, Task
from models.splits import Unsuitable
from models.vocabularies import MISSING, UNSEEN, Values, Words

NAN = float("nan")


def schema(task: Task = "regression", **columns: str) -> TableSchema:
    features = tuple(
        Column.model_validate({"name": name, "type": kind}) for name, kind in columns.items()
    )
    return TableSchema(features=features, target="y", task=task)


def words(*values: str) -> NDArray[np.object_]:
    return np.array(values, object)


def numbers(*values: float) -> NDArray[np.float64]:
    return np.array(values, np.float64)


def in_blocks(
    columns: Columns, targets: NDArray[np.float64], size: int
) -> Iterator[tuple[Columns, NDArray[np.float64]]]:
    for start in range(0, len(targets), size):
        part = slice(start, start + size)
        yield {name: values[part] for name, values in columns.items()}, targets[part]


def fit_number(values: NDArray[np.float64], size: int = 100) -> Number:
    blocks = in_blocks({"x": values}, np.arange(len(values), dtype=np.float64), size)
    return fit(blocks, schema(x="number")).numbers[0]


# Numbers.


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_mean_and_scale_are_those_of_all_present_numbers(size: int) -> None:
    # Far from zero, sums of squares would lose every digit of the spread.
    values = 1e9 + np.random.default_rng(0).normal(size=1000)
    values[::10] = NAN
    number = fit_number(values, size)
    assert number.mean == pytest.approx(np.nanmean(values), rel=1e-15)
    assert number.scale == pytest.approx(np.nanstd(values), rel=1e-7)
    assert number.marked


def test_a_mark_is_for_numbers_that_are_missing_in_training() -> None:
    assert fit_number(numbers(1, 3)) == Number("x", 2.0, 1.0, marked=False, bent=False)
    assert fit_number(numbers(1, NAN, 3)) == Number("x", 2.0, 1.0, marked=True, bent=False)


@pytest.mark.parametrize("size", [2, 100])
def test_what_is_constant_is_centred_exactly_and_not_scaled(size: int) -> None:
    # The mean of ten times 0.1 is not 0.1, and a scale of 1e-17 would make noise of it.
    assert fit_number(np.full(10, 0.1), size) == Number("x", 0.1, 1.0, marked=False, bent=False)
    assert fit_number(np.full(10, NAN), size) == Number("x", 0.0, 1.0, marked=True, bent=False)


@pytest.mark.parametrize("values", [numbers(1e308, -1e308), numbers(1e200, 0), numbers(1e-200, 0)])
def test_numbers_that_float64_cannot_scale_are_refused_by_name(values: NDArray[np.float64]) -> None:
    with pytest.raises(Unsuitable, match="column 'x' cannot be scaled"):
        fit_number(values)


# Targets.


def test_a_regressions_target_is_standardized_and_a_binary_one_is_not() -> None:
    blocks = [({"x": numbers(1, 2, 3, 4)}, numbers(0, 0, 1, 1))]
    regression = fit(blocks, schema(x="number"))
    assert (regression.target_mean, regression.target_scale) == (0.5, 0.5)
    binary = fit(blocks, schema("binary", x="number"))
    assert (binary.task, binary.target_mean, binary.target_scale) == ("binary", 0.0, 1.0)


# Encoding.

PREPROCESSING = Preprocessing(
    "regression",
    (Number("a", 10.0, 2.0, marked=True), Number("b", 1.0, 0.5, marked=False)),
    (Words("c", ("x", "y"), 2),),
    target_mean=100.0,
    target_scale=10.0,
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_are_scaled_marked_and_coded(dtype: str) -> None:
    columns: Columns = {
        "a": numbers(12, NAN, 10, 8),
        "b": numbers(1, 2, NAN, 0),
        "c": words("y", "", "new", "x"),
    }
    encoded = encode(columns, numbers(100, 90, 110, 105), PREPROCESSING, dtype)
    scaled = np.array([[1, 0, 0, -1], [0, 2, 0, -2], [0, 1, 0, 0]])
    expected = np.where([[True], [True], [False]], scaled / np.hypot(1, scaled / 3), scaled)
    np.testing.assert_allclose(encoded.numbers, expected.astype(dtype), rtol=1e-7, strict=True)
    codes = np.array([[3, MISSING, UNSEEN, 2]], np.int32)
    np.testing.assert_array_equal(encoded.codes, codes, strict=True)
    targets = np.array([0, -1, 1, 0.5], dtype)
    np.testing.assert_array_equal(encoded.targets, targets, strict=True)


def test_numbers_that_are_looked_up_are_coded_behind_the_words() -> None:
    preprocessing = PREPROCESSING._replace(values=(Values("b", (-0.5, 0.0, 1e300), 3),))
    assert preprocessing.width == PREPROCESSING.width + 3
    columns: Columns = {
        "a": numbers(12, 12, 12, 12, 12),
        "b": numbers(-0.0, NAN, 1e300, 7e300, -0.5000000000000001),
        "c": words("y", "y", "y", "y", "y"),
    }
    encoded = encode(columns, np.zeros(5), preprocessing)
    codes = np.array([[3] * 5, [3, MISSING, 4, UNSEEN, UNSEEN]], np.int32)
    np.testing.assert_array_equal(encoded.codes, codes, strict=True)
    without = encode(columns, np.zeros(5), PREPROCESSING)
    np.testing.assert_array_equal(encoded.numbers, without.numbers, strict=True)


def test_numbers_are_looked_up_only_where_that_is_asked_for() -> None:
    gains = numbers(0, 0, 0, 0, 0, 500, 500, 900)
    blocks = [({"gain": gains, "rooms": np.arange(8.0)}, gains)]
    of = schema(gain="number", rooms="number")
    assert fit(blocks, of).values == ()
    assert fit(blocks, of, most_values=2).values == ()
    assert fit(blocks, of, most_values=3).values == (Values("gain", (0.0, 500.0), 3),)


def test_rows_are_scaled_in_float64_before_they_are_rounded() -> None:
    # As float32, 1e9 + 1 and 1e9 are the same.
    far = PREPROCESSING._replace(numbers=(Number("a", 1e9, 1.0, marked=False),), words=())
    assert encode({"a": numbers(1e9 + 1)}, numbers(0), far).numbers[0, 0] == pytest.approx(0.9**0.5)


def test_no_number_is_so_far_out_that_a_network_cannot_multiply_it() -> None:
    columns: Columns = {"a": numbers(1e4, -1e12, 1e308, -1e308), "b": numbers(1, 1, 1, 1)}
    columns["c"] = words("", "", "", "")
    encoded = encode(columns, numbers(0, 0, 0, 0), PREPROCESSING)
    np.testing.assert_allclose(encoded.numbers[0], [3, -3, 3, -3], rtol=1e-6)


def test_numbers_are_bent_where_a_training_row_lies_more_than_three_deviations_out() -> None:
    uniform = np.linspace(-1, 1, 101)
    (even,) = fit([({"x": uniform}, uniform)], schema(x="number")).numbers
    assert not even.bent
    scaled = (uniform - even.mean) / even.scale
    np.testing.assert_array_equal(bent(scaled, even), scaled)
    np.testing.assert_array_equal(bent(np.array([-1e300, 7.0]), even), [-6, 6])
    (far,) = fit(
        [({"x": np.append(uniform, 9)}, np.append(uniform, 0))], schema(x="number")
    ).numbers
    assert far.bent
    assert bent(np.array([1e300]), far) == pytest.approx([3])


def test_what_was_fitted_encodes_its_rows_with_mean_0_and_spread_1() -> None:
    draw = np.random.default_rng(0)
    columns: Columns = {"x": draw.normal(50, 9, 500), "w": words(*draw.choice([*"abc"], 500))}
    targets = draw.normal(-7, 3, 500)
    fitted = fit(in_blocks(columns, targets, 60), schema(x="number", w="text"))
    encoded = encode(columns, targets, fitted, "float64")
    seen = encoded.numbers[0]
    for scaled in (seen / np.sqrt(1 - (seen / 3) ** 2), encoded.targets):
        assert [scaled.mean(), scaled.std()] == pytest.approx([0, 1], abs=1e-12)
    decoded = [fitted.words[0].vocabulary[code - 2] for code in encoded.codes[0]]
    assert decoded == columns["w"].tolist()
