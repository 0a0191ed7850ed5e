import numpy as np
import pytest
from numpy.typing import NDArray

from models.vocabularies import ValueCounts, Values, WordCounts, Words

NAN = float("nan")


def words(*values: str) -> NDArray[np.object_]:
    return np.array(values, object)


def words_of(values: NDArray[np.object_], size: int = 100) -> Words:
    counts = WordCounts()
    for start in range(0, len(values), size):
        counts.add(values[start : start + size])
    return counts.words("x")


def values_of(numbers: list[float], most: int = 10, size: int = 100) -> Values | None:
    counts = ValueCounts(most)
    for start in range(0, len(numbers), size):
        counts.add(np.array(numbers[start : start + size]))
    return counts.values("x")


def test_a_vocabulary_holds_what_occurs_twice_the_most_frequent_first() -> None:
    values = words("b", "z", "a", "once", "z", "", "", "", "z", "b", "a", "Ä", "Ä", "x")
    for size in (1, 5, 100):
        assert words_of(values, size).vocabulary == ("z", "a", "b", "Ä")


def test_a_vocabulary_may_be_empty() -> None:
    assert words_of(words("a", "b", "", "")) == Words("x", (), 2)


@pytest.mark.parametrize(("size", "width"), [(0, 2), (1, 3), (10, 6), (100, 21), (2000, 32)])
def test_the_width_grows_with_the_vocabulary(size: int, width: int) -> None:
    values = words(*(str(word) for word in range(size) for _ in range(2)), "once")
    assert words_of(values).width == width


@pytest.mark.parametrize("size", [1, 4, 100])
def test_a_number_that_is_the_same_in_most_rows_is_looked_up(size: int) -> None:
    numbers = [0.0, 0.0, NAN, -0.0, 500.5, 0.0, 0.0, 500.5, 900.0, NAN, 0.0]
    assert values_of(numbers, size=size) == Values("x", (0.0, 500.5), 3)


@pytest.mark.parametrize(
    ("numbers", "why_not"),
    [
        ([], "there is none"),
        ([NAN, NAN], "all are missing"),
        ([1.0, 1.0, 1.0], "all are the same"),
        ([0.0, 0.0, 0.0, 1.0, 1.0], "a line goes through two"),
        ([0.0, 0.0, 0.0, 1.0, 1.0, 2.0], "only half are the same"),
        ([0.0] * 20 + [float(number) for number in range(11)], "there are eleven"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("size", [2, 100])
def test_no_other_number_is_looked_up(numbers: list[float], why_not: str, size: int) -> None:
    assert values_of(numbers, size=size) is None
