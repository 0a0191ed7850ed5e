import numpy as np
import pytest

from service.errors import Invalid, TooLarge
from service.predict.formats import json_columns
from service.predict.formats.question import Limits
from tests.predict.formats.bodies import LIMITS, TABLE, TRIPLES, rows


def test_columns_are_taken_by_their_names_in_any_order() -> None:
    given = {"x2": [0.3, 3], "x0": [0.1, 1], "x1": [0.2, 2]}
    found = json_columns.read(given, TRIPLES, LIMITS)
    np.testing.assert_array_equal(found["features"], [[0.1, 0.2, 0.3], [1, 2, 3]])


def test_columns_of_a_table_may_be_absent_and_values_missing() -> None:
    given: dict[str, list[object]] = {
        "zip": [7, "007", 7.0, None],
        "rooms": [1, None, 2.5, -1],
    }
    found = rows(json_columns.read(given, TABLE, LIMITS))
    assert found == [
        [1, None, None, "7"],
        [None, None, None, "7"],
        [2.5, None, None, "7"],
        [-1, None, None, None],
    ]


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"rooms": [1], "city": ["a", "b"]}, "one length"),
        ({"rooms": ["1"]}, r"instances\[0\]\.rooms: must be a number"),
        ({"rooms": [1, True]}, r"instances\[1\]\.rooms"),
        ({"rooms": [float("inf")]}, r"instances\[0\]\.rooms: it is not a finite number"),
        ({"new": [0.5]}, r"instances\[0\]\.new: must be true or false"),
        ({"city": [1]}, r"instances\[0\]\.city: must be a text"),
        ({"zip": [1.5]}, r"instances\[0\]\.zip: must be a whole number or a text"),
        ({"zip": [float("inf")]}, r"instances\[0\]\.zip"),
        ({"price": [1]}, "the target"),
        ({"room": [1]}, "did you mean rooms"),
    ],
)
def test_what_cannot_be_in_a_column_is_refused_by_its_place(
    columns: dict[str, list[object]], named: str
) -> None:
    with pytest.raises(Invalid, match=named):
        json_columns.read(columns, TABLE, LIMITS)


def test_a_triple_needs_all_its_columns_and_values() -> None:
    with pytest.raises(Invalid, match="x1"):
        json_columns.read({"x0": [1], "x2": [1]}, TRIPLES, LIMITS)
    with pytest.raises(Invalid, match=r"instances\[0\]\.x1: must be a number, received null"):
        json_columns.read({"x0": [1], "x1": [None], "x2": [1]}, TRIPLES, LIMITS)


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(TooLarge):
        json_columns.read({"rooms": [1, 2, 3]}, TABLE, Limits(2, 1000))
