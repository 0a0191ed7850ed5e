import io
import json
import math
from typing import Any

import numpy as np
import pyarrow
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service import formats
from service.errors import BadRequest, CrosscheckError, Invalid, UnsupportedMediaType

ROWS = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])

ODD_VERSIONS = [None, True, "1", 1.5, 2.0, 2**53 - 1, 2**53, 1e300]

finite = st.floats(allow_nan=False, allow_infinity=False)
number = finite | st.integers(-(2**70), 2**70)
row = st.lists(number, min_size=3, max_size=3)
scalar = st.none() | st.booleans() | st.text(max_size=3) | number
anything = st.recursive(
    scalar,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
mostly_rows = st.lists(row | st.lists(scalar, max_size=4) | anything, max_size=4)
document = st.fixed_dictionaries(
    {"instances": st.lists(row, max_size=4) | mostly_rows | anything},
    optional={
        "model": st.sampled_from(["dense", "cross", "linear", None, 1]),
        "version": st.integers(-1, 3) | st.sampled_from(ODD_VERSIONS),
        "other": scalar,
    },
)
written = st.builds(lambda value: json.dumps(value).encode(), document | anything)
misprinted = st.builds(
    lambda content, place, wrong: content[:place] + wrong + content[place + 1 :],
    st.builds(lambda rows: json.dumps({"instances": rows}).encode(), st.lists(row, min_size=1)),
    st.integers(13, 60),
    st.sampled_from([b"", b"[", b"]", b",", b"],[", b"0", b"-", b".", b"e", b" ", b'"', b"n"]),
)
body = written | misprinted | st.binary()


def obvious(content: bytes) -> tuple[Any, Any, Any] | None:
    """What a body asks, read without haste; None if it is to be refused."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        asked = json.loads(content.decode(), parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    if not isinstance(asked, dict) or not {"instances"} <= asked.keys() <= {
        "instances",
        "model",
        "version",
    }:
        return None
    model, version = asked.get("model"), asked.get("version")
    if model not in ("dense", "cross", None) or isinstance(model, bool):
        return None
    if version is not None:  # of 2.0, JSON Schema says that it is the integer 2
        if type(version) not in (int, float) or version != version // 1:
            return None
        if not 1 <= version < 2**53:
            return None
    if not isinstance(asked["instances"], list):
        return None
    rows = []
    for instance in asked["instances"]:
        if not isinstance(instance, list) or len(instance) != 3:
            return None
        for value in instance:
            if type(value) not in (int, float) or not math.isfinite(float(value)):
                return None
        rows.append([float(value) for value in instance])
    return rows, model, version


@given(body)
@example(b'{"instances": [[1, 2, 3]], "instances": []}')
@example(b'{"instances": [[1e999, 2, 3]]}')
@example(b'{"instances": [[-0.0, 1E+2, 3e-400]]}')
@example(b'{"instances": [[01, 2, 3]]}')
@example(b'{"instances": [[.5, 2, 3]]}')
@example(b'{"instances": [[1, 2, 3],]}')
@example(b'{"instances": [[1, 2], [3, 4, 5, 6]]}')
@example(b'{"instances": [1[, 2, 3]]}')
@example(b'{"instances": [[1, 2, 3]4, [5, 6, 7]]}')
@example(b'{"instances": [[1 2, 3, 4]]}')
@example(b'{"instances": [[1, 2, 3]], "instances": [[4, 5, 6]]}')
@example(b'{"instances": [[18446744073709551617, -9223372036854775809, 1]]}')
@example('\ufeff{"instances": []}'.encode())
def test_json_is_read_and_refused_as_an_obvious_reader_does(content: bytes) -> None:
    expected = obvious(content)
    try:
        question = formats.read_json(content, b"")
    except CrosscheckError as error:
        assert expected is None
        assert error.status in (400, 422)
    else:
        assert expected is not None
        assert (question.features.tolist(), question.model, question.version) == expected


@given(st.lists(finite, min_size=1))
def test_written_json_is_read_back_to_the_last_bit(values: list[float]) -> None:
    answer = json.loads(formats.write_json(np.array(values), "cross", 3))
    assert answer == {"predictions": values, "model": "cross", "version": 3}


def npy(array: Any, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), version, allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_an_npy_array_is_read_in_any_layout(dtype: str, order: Any, version: Any) -> None:
    array = np.asarray(ROWS, dtype, order=order)
    question = formats.read_npy(npy(array, version), b"model=dense&version=2")
    np.testing.assert_array_equal(question.features, array)
    assert question.model == "dense"
    assert question.version == 2


def test_a_written_npy_array_is_read_back() -> None:
    predictions = np.array([1.5, 2.5], np.float32)
    loaded = np.load(io.BytesIO(formats.write_npy(predictions, "cross", 1)))
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
        formats.read_npy(content, b"")


def test_a_number_that_is_not_finite_is_named() -> None:
    with pytest.raises(Invalid, match=r"instances\[1\]\[2\]"):
        formats.read_npy(npy([[0, 0, 0], [0, 0, math.nan]]), b"")


def arrow(*columns: Any, compression: str | None = None) -> bytes:
    table = pyarrow.table({f"x{number}": column for number, column in enumerate(columns)})
    sink = pyarrow.BufferOutputStream()
    options = pyarrow.ipc.IpcWriteOptions(compression=compression)
    with pyarrow.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_an_arrow_stream_is_read_column_by_column(dtype: str) -> None:
    array = ROWS.astype(dtype)
    question = formats.read_arrow(arrow(*array.T), b"model=cross")
    np.testing.assert_array_equal(question.features, array)
    assert question.model == "cross"


def test_a_written_arrow_stream_is_read_back() -> None:
    content = formats.write_arrow(np.array([1.5, 2.5]), "cross", 1)
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
    "integers": (arrow([1], [2], [3]), Invalid),
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
        formats.read_arrow(content, b"")


def test_no_memory_is_taken_for_a_compressed_stream() -> None:
    bomb = arrow(ZEROS, ZEROS, ZEROS, compression="zstd")
    usual = pyarrow.default_memory_pool()
    watched = pyarrow.proxy_memory_pool(usual)
    pyarrow.set_memory_pool(watched)
    try:
        with pytest.raises(Invalid, match="compressed"):
            formats.read_arrow(bomb, b"")
    finally:
        pyarrow.set_memory_pool(usual)
    assert watched.max_memory() < ZEROS.nbytes > 10 * len(bomb)


@given(st.binary(max_size=300), st.integers(0, len(STREAM)), st.sampled_from([STREAM, npy(ROWS)]))
def test_no_binary_body_is_more_than_refused(noise: bytes, place: int, good: bytes) -> None:
    content = good[:place] + noise + good[place + len(noise) :]
    for read in (formats.read_npy, formats.read_arrow):
        try:
            read(content, b"")
        except CrosscheckError as error:
            assert error.status in (400, 422)


@pytest.mark.parametrize(
    "query", [b"model=linear", b"version=x", b"version=0", b"rows=1", b"version=1.5", b"\xff=1"]
)
def test_a_query_that_cannot_be_meant_is_refused(query: bytes) -> None:
    with pytest.raises(Invalid):
        formats.read_npy(npy(ROWS), query)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (b"", "application/json"),
        (b"*/*", "application/json"),
        (b"application/x-npy", "application/x-npy"),
        (b"text/html, application/X-NPY;q=0.9", "application/x-npy"),
        (b"application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream"),
        (b"image/png", "application/json"),
        (b"\xff", "application/json"),
    ],
)
def test_the_answer_is_in_the_first_known_format(accept: bytes, media_type: str) -> None:
    assert formats.of_answer(accept).media_type == media_type


@pytest.mark.parametrize("content_type", [b"", b"text/plain", b"application/x-npyz", b"\xff"])
def test_an_unknown_content_type_is_refused(content_type: bytes) -> None:
    with pytest.raises(UnsupportedMediaType):
        formats.of_body(content_type)
