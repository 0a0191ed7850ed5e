"""Columns of pyarrow, as Arrow and Parquet bring them, as columns of a table."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from service.errors import BadRequest, CrosscheckError, Invalid, TooLarge
from service.predict.formats import arrow_columns, arrow_format, parquet_format
from service.predict.formats.question import Limits
from tests.predict.formats.bodies import LIMITS, TABLE, parquet, rows, stream

Send = Callable[[Any], list[list[Any]]]

WORDS = pa.array(["Oslo", None, ""])


def by_arrow(table: Any) -> list[list[Any]]:
    return rows(arrow_format.read(stream(table), TABLE, LIMITS))


def by_parquet(table: Any) -> list[list[Any]]:
    return rows(parquet_format.read(parquet(table), TABLE, LIMITS))


@pytest.fixture(params=[by_arrow, by_parquet])
def send(request: pytest.FixtureRequest) -> Send:
    read: Send = request.param
    return read


def one(send: Send, name: str, column: Any) -> list[Any]:
    """What is read of one column, where the others are absent."""
    place = ["rooms", "new", "city", "zip"].index(name)
    return [row[place] for row in send(pa.table({name: column}))]


def test_columns_come_in_any_order_and_may_be_absent(send: Send) -> None:
    table = pa.table({"zip": [7, None], "city": ["Oslo", "Rome"], "rooms": [1.5, None]})
    assert send(table) == [[1.5, None, "Oslo", "7"], [None, None, "Rome", None]]


@pytest.mark.parametrize(
    "kind", [pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.decimal128(9, 2)]
)
def test_every_type_of_number_is_a_number(send: Send, kind: Any) -> None:
    values = np.array([3, 4], np.float16) if kind == pa.float16() else [Decimal(3), Decimal(4)]
    if not pa.types.is_decimal(kind):
        values = np.array([3, 4], kind.to_pandas_dtype())
    assert one(send, "rooms", pa.array(values, kind)) == [3.0, 4.0]


def test_nulls_and_nan_and_a_column_of_nulls_are_missing(send: Send) -> None:
    assert one(send, "rooms", [None, float("nan"), 1.0]) == [None, None, 1.0]
    for name in ("rooms", "new", "city", "zip"):
        assert one(send, name, pa.nulls(2)) == [None, None]


@pytest.mark.parametrize(
    "words",
    [
        WORDS,
        WORDS.cast(pa.large_string()),
        WORDS.cast(pa.string_view()),
        WORDS.dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.int8()), pa.array(["", "Oslo"])),
    ],
    ids=["string", "large_string", "string_view", "dictionary", "dictionary of the empty text"],
)
def test_every_type_of_text_is_a_text(send: Send, words: Any) -> None:
    assert one(send, "city", words) == ["Oslo", None, None]


@pytest.mark.parametrize(
    "codes",
    [
        pa.array([7, None, 4021]),
        pa.array([7.0, None, 4021.0]),
        pa.array(["7", None, "4021"]),
        pa.array(["07", None, "4021"]).dictionary_encode(),
        pa.array([7, None, 4021]).dictionary_encode(),
    ],
    ids=["integers", "floats", "texts", "dictionary of texts", "dictionary of integers"],
)
def test_every_way_to_write_a_code_is_the_same_code(send: Send, codes: Any) -> None:
    assert one(send, "zip", codes) == ["7", None, "4021"]


@pytest.mark.parametrize("column", [[True, None, False], [1, None, 0], [1.0, None, 0.0]])
def test_booleans_may_be_numbers(send: Send, column: list[Any]) -> None:
    assert one(send, "new", column) == [1.0, None, 0.0]


@pytest.mark.parametrize(
    ("name", "column", "detail"),
    [
        ("rooms", ["3"], 'column "rooms": each value must be a number, received string'),
        ("rooms", [True], 'column "rooms": each value must be a number, received bool'),
        ("rooms", [3.0, float("inf")], "instances[1].rooms: it is not a finite number"),
        ("new", [1, 2], "instances[1].new: must be true or false"),
        ("city", [3], 'column "city": each value must be a text, received int64'),
        ("city", [b"Oslo"], 'column "city": each value must be a text, received binary'),
        ("zip", [7.5], 'column "zip": holds other than whole numbers'),
        ("zip", [True], 'column "zip": each value must be a whole number or a text, received bool'),
        ("romms", [3.0], 'column "romms": there is no such column: did you mean rooms?'),
        ("price", [3.0], 'column "price": it is the target, which is predicted: leave it out'),
    ],
)
def test_another_column_is_refused_by_its_name(
    send: Send, name: str, column: list[Any], detail: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        send(pa.table({name: column}))
    assert refusal.value.detail == detail


@pytest.mark.parametrize("column", [[[1.0]], [{"a": 1.0}]])
def test_nested_columns_are_refused(send: Send, column: list[Any]) -> None:
    with pytest.raises(Invalid, match="rooms"):
        send(pa.table({"rooms": column}))


def test_rows_are_counted_before_they_take_memory() -> None:
    few = Limits(rows=10, bytes=10**6)
    nulls = pa.Array.from_buffers(pa.null(), 2**31 - 1, [None])
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([2**31 - 1]), pa.array([1.0]))
    for column in (nulls, runs):
        batch = pa.RecordBatch.from_arrays([column], ["rooms"])
        with pytest.raises(TooLarge, match="more than 10 rows"):
            arrow_format.read(stream(pa.Table.from_batches([batch])), TABLE, few)
    with pytest.raises(TooLarge, match="more than 10 rows"):
        parquet_format.read(parquet(pa.table({"rooms": pa.nulls(10**5)})), TABLE, few)


LONG = "x" * 1000
SAME = np.zeros(5000, np.int8)


def views() -> Any:
    """A text that many views lead to."""
    view = pa.array([LONG], pa.string_view())
    _, first, text = view.buffers()
    many = np.frombuffer(first, np.uint8).reshape(1, 16).repeat(len(SAME), axis=0)
    buffers = [None, pa.py_buffer(many.tobytes()), text]
    return pa.Array.from_buffers(pa.string_view(), len(SAME), buffers)


@pytest.mark.parametrize("name", ["city", "zip"])
@pytest.mark.parametrize(
    "column",
    [pa.DictionaryArray.from_arrays(SAME, [LONG]), views()],
    ids=["dictionary", "views"],
)
def test_few_bytes_may_not_stand_for_much_text(column: Any, name: str) -> None:
    table = pa.table({name: column})
    most = Limits(rows=10_000, bytes=10**6)
    with pytest.raises(TooLarge, match="a text of more than 1000000 characters"):
        arrow_format.read(stream(table), TABLE, most)
    with pytest.raises(TooLarge):
        parquet_format.read(parquet(table), TABLE, most)


def test_views_of_texts_may_lie_in_a_longer_buffer() -> None:
    views = pa.array(["Oslo", "Rome"], pa.string_view()).buffers()[1].to_pybytes()
    column = pa.Array.from_buffers(pa.string_view(), 2, [None, pa.py_buffer(views + b"more")])
    read = arrow_columns.read(pa.table({"city": column.slice(1)}), TABLE, LIMITS)
    assert rows(read) == [[None, None, "Rome", None]]


def test_a_dictionary_counts_in_every_batch() -> None:
    words = pa.array([f"word {number}" for number in range(5000)])
    table = pa.table({"city": pa.DictionaryArray.from_arrays(np.zeros(100, np.int32), words)})
    most = Limits(rows=10_000, bytes=10**6)
    assert len(arrow_format.read(stream(table), TABLE, most)["city"]) == 100
    with pytest.raises(TooLarge, match="a text of more than"):
        arrow_format.read(stream(table, batch_rows=1), TABLE, most)


def test_a_stream_of_very_many_batches_is_refused() -> None:
    table = pa.table({"rooms": np.zeros(1001)})
    with pytest.raises(TooLarge, match="more than 1000 batches"):
        arrow_format.read(stream(table, batch_rows=1), TABLE, LIMITS)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_dictionaries_are_refused_as_other_batches_are(compression: str) -> None:
    words = pa.array([LONG] * 10).dictionary_encode()
    with pytest.raises(Invalid, match="compressed"):
        arrow_format.read(stream(pa.table({"city": words}), compression), TABLE, LIMITS)


@pytest.mark.parametrize("place", range(0, 400, 7))
def test_a_damaged_file_is_refused(place: int) -> None:
    table = pa.table({"rooms": [1.0, 2.0], "city": ["Oslo", "Rome"]})
    for content, read in (
        (stream(table), arrow_format.read),
        (parquet(table), parquet_format.read),
    ):
        for damage in (b"\0", b"\x7f", b"\xff" * 4):
            damaged = content[:place] + damage + content[place + len(damage) :]
            try:
                read(damaged, TABLE, LIMITS)
            except CrosscheckError as error:
                assert error.status in (400, 413, 422)


def test_what_is_no_file_of_its_kind_is_refused() -> None:
    for read in (arrow_format.read, parquet_format.read):
        for content in (b"", b"PAR1", b"PAR1\0\0\0\0PAR1", b"x" * 100):
            with pytest.raises(BadRequest):
                read(content, TABLE, LIMITS)
