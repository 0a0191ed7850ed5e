import math
from itertools import permutations

import numpy as np
import pyarrow
import pytest

from service.errors import BadRequest, CrosscheckError, Invalid
from service.predict.formats import arrow_format
from tests.predict.formats.bodies import LIMITS, ROWS, TRIPLES, arrow


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_an_arrow_stream_is_read_column_by_column(dtype: str) -> None:
    array = ROWS.astype(dtype)
    features = arrow_format.read(arrow(*array.T), TRIPLES, LIMITS)
    np.testing.assert_array_equal(features["features"], array)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_columns_are_known_by_their_names_in_any_order(order: tuple[int, ...]) -> None:
    content = arrow(*ROWS.T[list(order)], names=[f"x{number}" for number in order])
    features = arrow_format.read(content, TRIPLES, LIMITS)
    np.testing.assert_array_equal(features["features"], ROWS)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("abc", 'column "a": there is no such column'),
        (["x0", "x1", "X2"], 'column "X2": there is no such column: did you mean x2?'),
        (["x0", "x1"], 'column "x2": it is missing'),
        (["x0", "x1", "x2", "y"], 'column "y": there is no such column'),
        (["x0", "x1", "x1"], 'column "x1": it is there more than once'),
        ([], 'column "x0": it is missing'),
        (["x0", "x1", ""], 'column "": there is no such column'),
    ],
)
def test_other_columns_are_refused_by_their_names(names: list[str], found: str) -> None:
    content = arrow(*([0.5] for _ in names), names=list(names))
    with pytest.raises(Invalid) as refusal:
        arrow_format.read(content, TRIPLES, LIMITS)
    assert refusal.value.detail == found


def test_no_more_is_said_of_many_columns_than_of_few() -> None:
    content = arrow(*([0.5] for _ in range(5000)), names=["x" * 100] * 5000)
    with pytest.raises(Invalid) as refusal:
        arrow_format.read(content, TRIPLES, LIMITS)
    assert len(refusal.value.detail) < 250


def test_a_written_arrow_stream_is_read_back() -> None:
    content = arrow_format.write(np.array([1.5, 2.5]), "cross", 1)
    table = pyarrow.ipc.open_stream(content).read_all()
    assert table.to_pydict() == {"predictions": [1.5, 2.5]}


STREAM = arrow(*ROWS.T)
ZEROS = np.zeros(100_000)
WORDS = pyarrow.array(["a", "a"]).dictionary_encode()
BAD_ARROW: dict[str, tuple[bytes, type[CrosscheckError]]] = {
    "empty": (b"", BadRequest),
    "not arrow": (b"ARROW1\0\0", BadRequest),
    "truncated": (STREAM[: len(STREAM) // 2], BadRequest),
    "two columns": (arrow(*ROWS.T[:2]), Invalid),
    "booleans": (arrow([1.0], [True], [3.0]), Invalid),
    "text": (arrow(["1"], ["2"], ["3"]), Invalid),
    "nulls": (arrow([1.0], [None], [3.0]), Invalid),
    "a hidden null": (arrow([1.0, 1.0], pyarrow.array([None, 2.0]), [3.0, 3.0]), Invalid),
    "a NaN": (arrow([1.0], [math.nan], [3.0]), Invalid),
    "a dictionary": (arrow([1.0, 1.0], WORDS, [3.0, 3.0]), Invalid),
    "compressed by zstd": (arrow(ZEROS, ZEROS, ZEROS, compression="zstd"), Invalid),
    "compressed by lz4": (arrow(*ROWS.T, compression="lz4"), Invalid),
}


@pytest.mark.parametrize(("content", "error"), BAD_ARROW.values(), ids=BAD_ARROW.keys())
def test_a_bad_arrow_stream_is_refused(content: bytes, error: type[CrosscheckError]) -> None:
    with pytest.raises(error):
        arrow_format.read(content, TRIPLES, LIMITS)


def test_no_memory_is_taken_for_a_compressed_stream() -> None:
    bomb = arrow(ZEROS, ZEROS, ZEROS, compression="zstd")
    usual = pyarrow.default_memory_pool()
    watched = pyarrow.proxy_memory_pool(usual)
    pyarrow.set_memory_pool(watched)
    try:
        with pytest.raises(Invalid, match="compressed"):
            arrow_format.read(bomb, TRIPLES, LIMITS)
    finally:
        pyarrow.set_memory_pool(usual)
    assert watched.max_memory() < ZEROS.nbytes > 10 * len(bomb)
