"""Tensors as the columns of a dataset."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from service.errors import Invalid, TooLarge
from service.predict.formats.question import Limits
from service.protocols import tensor_rows
from service.protocols.tensors import Tensor
from tests.predict.formats.bodies import LIMITS, TABLE, TRIPLES, rows


def tensor(
    name: str, datatype: str, data: list[Any], shape: tuple[int, ...] | None = None
) -> Tensor:
    return Tensor(name, shape or (len(data),), datatype, msgspec.Raw(json.dumps(data).encode()))


def test_triples_are_one_matrix_or_three_columns() -> None:
    expected = [[1, 2, 3], [4, 5, 6]]
    matrix = tensor("features", "INT16", [1, 2, 3, 4, 5, 6], (2, 3))
    np.testing.assert_array_equal(tensor_rows.read([matrix], TRIPLES, LIMITS)["features"], expected)
    columns = [
        tensor("x2", "FP32", [3, 6]),
        tensor("x0", "UINT8", [[1], [4]], (2, 1)),
        tensor("x1", "FP64", [2, 5]),
    ]
    np.testing.assert_array_equal(tensor_rows.read(columns, TRIPLES, LIMITS)["features"], expected)


def test_what_is_missing_of_a_table_is_nan_null_an_empty_text_or_absent() -> None:
    given = [
        tensor("zip", "BYTES", ["7", "007", ""]),
        tensor("rooms", "FP64", [1.5, None, -1]),
        Tensor("new", (3, 1), "FP32", memoryview(np.array([1, np.nan, 0], "<f4").tobytes())),
    ]
    found = rows(tensor_rows.read(given, TABLE, LIMITS))
    assert found == [[1.5, 1, None, "7"], [None, None, None, "7"], [-1, 0, None, None]]


def test_codes_may_be_whole_numbers_and_booleans_truths() -> None:
    given = [tensor("zip", "INT64", [7, 4021]), tensor("new", "BOOL", [True, False])]
    found = rows(tensor_rows.read(given, TABLE, LIMITS))
    assert found == [[None, 1, None, "7"], [None, 0, None, "4021"]]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ([], "inputs: it is empty"),
        ([tensor("rooms", "FP64", [], (0,))], "instances: it is empty"),
        ([tensor("rooms", "FP64", [1], (-1,))], "shape must begin with the number of rows"),
        ([tensor("rooms", "FP64", [1, 2], (1, 2))], r"shape must be \[1\] or \[1, 1\]"),
        ([tensor("rooms", "FP64", [1]), tensor("new", "BOOL", [True, True])], r"\[1\] or \[1, 1\]"),
        ([tensor("rooms", "BYTES", ["1"])], "must be a number, received BYTES"),
        ([tensor("rooms", "BOOL", [True])], "must be a number, received BOOL"),
        ([tensor("rooms", "FP32", [1e39])], "not a finite number"),
        ([tensor("new", "FP32", [0.5])], "must be true or false"),
        ([tensor("city", "FP64", [1])], "must be a text, received FP64"),
        ([tensor("zip", "FP64", [1])], "must be a whole number or a text, received FP64"),
        ([tensor("zip", "INTEGER", [1])], "received INTEGER"),
        ([tensor("room", "FP64", [1])], "did you mean rooms"),
        ([tensor("price", "FP64", [1])], "the target"),
        ([tensor("rooms", "FP64", [1])] * 2, "more than once"),
        ([tensor("features", "FP64", [1, 2, 3], (1, 3))], "no such column"),
    ],
)
def test_what_does_not_fit_the_table_is_refused(given: list[Tensor], named: str) -> None:
    with pytest.raises(Invalid, match=named):
        tensor_rows.read(given, TABLE, LIMITS)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ([tensor("features", "FP64", [1, 2], (1, 2))], r"shape must be \[1, 3\]"),
        ([tensor("features", "FP64", [1, 2, None], (1, 3))], r"\[0\]\[2\]: it is not a finite"),
        ([tensor("features", "BYTES", ["1"] * 3, (1, 3))], "must be a number"),
        ([tensor("x0", "FP64", [1]), tensor("x1", "FP64", [1])], "x2"),
    ],
)
def test_what_is_no_triple_is_refused(given: list[Tensor], named: str) -> None:
    with pytest.raises(Invalid, match=named):
        tensor_rows.read(given, TRIPLES, LIMITS)


def test_too_many_rows_are_refused_before_they_are_read() -> None:
    nothing = Tensor("features", (10**30, 3), "FP64", memoryview(b""))
    with pytest.raises(TooLarge):
        tensor_rows.read([nothing], TRIPLES, Limits(10, 10))
