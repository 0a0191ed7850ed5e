import io
import math
from typing import Any

import numpy as np
import pytest

from service.errors import BadRequest, CrosscheckError, Invalid
from service.predict.formats import npy_format
from service.predict.formats.intake import Intake
from tests.predict.formats.bodies import LIMITS, ROWS, TABLE, TRIPLES, npy
from tests.predict.tables import NUMBERS


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_an_npy_array_is_read_in_any_layout(dtype: str, order: Any, version: Any) -> None:
    array = np.asarray(ROWS, dtype, order=order)
    features = npy_format.read(npy(array, version), TRIPLES, LIMITS)
    np.testing.assert_array_equal(features["features"], array)


def test_a_written_npy_array_is_read_back() -> None:
    predictions = np.array([1.5, 2.5], np.float32)
    loaded = np.load(io.BytesIO(npy_format.write(predictions, "cross", 1)))
    np.testing.assert_array_equal(loaded, predictions)
    assert loaded.dtype == np.float32


BAD_NPY: dict[str, tuple[bytes, type[CrosscheckError]]] = {
    "empty": (b"", BadRequest),
    "not npy": (b"PK\x03\x04", BadRequest),
    "only magic": (b"\x93NUMPY\x01\x00", BadRequest),
    "a header that is code": (
        b"\x93NUMPY\x01\x00\x16\x00" + b"__import__('os')".ljust(21) + b"\n",
        BadRequest,
    ),
    "truncated": (npy(ROWS)[:-1], BadRequest),
    "too long": (npy(ROWS) + b"\0", BadRequest),
    "more rows than memory": (
        npy(ROWS).replace(b"(2, 3), }" + b" " * 12, b"(2000000000000, 3), }"),
        BadRequest,
    ),
    "a vector": (npy(ROWS[0]), Invalid),
    "two columns": (npy(ROWS[:, :2]), Invalid),
    "three axes": (npy(ROWS[np.newaxis]), Invalid),
    "integers": (npy(ROWS.astype(int)), Invalid),
    "halves": (npy(ROWS.astype(np.float16)), Invalid),
    "booleans": (npy(ROWS > 0), Invalid),
    "text": (npy(ROWS.astype(str)), Invalid),
    "pickled objects": (npy(ROWS.astype(object)), Invalid),
    "a NaN": (npy([[0, math.nan, 0]]), Invalid),
    "an infinity": (npy([[0, 0, -math.inf]]), Invalid),
}


@pytest.mark.parametrize(("content", "error"), BAD_NPY.values(), ids=BAD_NPY.keys())
def test_a_bad_npy_body_is_refused(content: bytes, error: type[CrosscheckError]) -> None:
    with pytest.raises(error):
        npy_format.read(content, TRIPLES, LIMITS)


def test_a_number_that_is_not_finite_is_named() -> None:
    with pytest.raises(Invalid, match=r"instances\[1\]\[2\]"):
        npy_format.read(npy([[0, 0, 0], [0, 0, math.nan]]), TRIPLES, LIMITS)


@pytest.mark.parametrize("dtype", ["<f4", ">f8"])
def test_an_array_is_read_for_a_table_of_numbers_with_nan_for_what_is_missing(dtype: str) -> None:
    array = np.array([[1, 2], [math.nan, 4], [5, 6]], dtype, order="F")
    features = npy_format.read(npy(array), Intake(NUMBERS), LIMITS)
    assert list(features) == ["a", "b"]
    for column, values in zip(array.T, features.values(), strict=True):
        np.testing.assert_array_equal(values, column)
        assert values.dtype == np.float64


@pytest.mark.parametrize(
    ("array", "detail"),
    [
        ([[1.0, math.inf]], "instances[0][1]: it is not a finite number"),
        ([[1.0, 2.0, 3.0]], "the array must have the shape (rows, 2), received (1, 3)"),
    ],
)
def test_another_array_is_refused(array: Any, detail: str) -> None:
    with pytest.raises(Invalid) as refusal:
        npy_format.read(npy(array), Intake(NUMBERS), LIMITS)
    assert refusal.value.detail == detail


def test_an_array_cannot_hold_the_rows_of_a_table_with_texts() -> None:
    with pytest.raises(Invalid, match='column "city": it is no number'):
        npy_format.read(npy([[1.0, 0.0, 2.0, 3.0]]), TABLE, LIMITS)
