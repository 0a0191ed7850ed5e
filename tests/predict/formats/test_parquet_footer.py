import datetime
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.errors import BadRequest
from service.predict.formats import parquet_footer, parquet_format
from service.predict.formats.thrift import Kind
from tests.predict.formats.bodies import LIMITS, TABLE, parquet

OF_ALL_KINDS = pa.table(
    {
        "number": [1.5, None] * 50,
        "moment": [datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)] * 100,
        "list": [[1, 2]] * 100,
        "struct": [{"in": {"in": True}}] * 100,
        "map": pa.array([[("a", 1)]] * 100, pa.map_(pa.string(), pa.int32())),
    }
)


def footer_of(content: bytes) -> bytes:
    return content[-8 - int.from_bytes(content[-8:-4], "little") : -8]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"version": "1.0", "use_dictionary": False},
        {"write_page_index": True, "write_page_checksum": True},
        {"store_schema": False, "sorting_columns": [pq.SortingColumn(0)]},
    ],
    ids=str,
)
def test_it_says_what_pyarrow_says(options: dict[str, Any]) -> None:
    content = parquet(OF_ALL_KINDS, row_group_size=30, **options)
    metadata = pq.read_metadata(io.BytesIO(content))
    expected = []
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for chunk in map(group.column, range(group.num_columns)):
            start = chunk.dictionary_page_offset or chunk.data_page_offset
            expected.append((start, chunk.total_compressed_size))
    assert parquet_footer.read(footer_of(content)) == (100, expected)


@pytest.mark.parametrize("footer", [b"", b"\0", b"\x49\x1c\0\0", b"\x49\x18\x01a\0", b"\xff" * 40])
def test_what_is_no_footer_is_refused(footer: bytes) -> None:
    with pytest.raises(BadRequest):
        parquet_footer.read(footer)


def listed(number: int, kind: int, element: bytes) -> bytes:
    """A field that is a list of one element."""
    return bytes([Kind.LIST, 2 * number, 0x10 | kind]) + element


def within(number: int, fields: bytes) -> bytes:
    """A field that is a struct."""
    return bytes([Kind.STRUCT, 2 * number]) + fields + b"\0"


def footer_with(about: bytes = b"", group: bytes = b"", file: bytes = b"") -> bytes:
    """A footer of a row, whose column is 10 bytes long and lies at 4; it has these fields, too."""
    column = within(3, about + bytes([Kind.I64, 14, 20, Kind.I64, 18, 8])) + b"\0"
    of_group = group + listed(1, Kind.STRUCT, column) + bytes([Kind.I64, 6, 2]) + b"\0"
    return file + listed(4, Kind.STRUCT, of_group) + b"\0"


@pytest.mark.parametrize(
    ("number", "kind", "element"),
    [
        (2, Kind.I32, b"\2"),
        (3, Kind.BINARY, b"\1a"),
        (8, Kind.STRUCT, b"\0"),
        (13, Kind.STRUCT, b"\0"),
    ],
)
def test_a_list_about_a_column_that_others_read_in_another_way_is_refused(
    number: int, kind: int, element: bytes
) -> None:
    """Who takes bytes for the texts of `path_in_schema` finds other fields after them."""
    right, wrong = listed(number, kind, element), listed(number, Kind.BYTE, b"\0")
    assert parquet_footer.read(footer_with(about=right)) == (1, [(4, 10)])
    with pytest.raises(BadRequest):
        parquet_footer.read(footer_with(about=wrong))


@pytest.mark.parametrize(
    ("place", "number", "kind"),
    [(16, 2, Kind.I64), (16, 3, Kind.I64), (17, 2, Kind.I32)],
)
def test_so_is_one_in_statistics(place: int, number: int, kind: int) -> None:
    right, wrong = listed(number, kind, b"\2"), listed(number, Kind.BYTE, b"\2")
    assert parquet_footer.read(footer_with(about=within(place, right))).rows == 1
    with pytest.raises(BadRequest):
        parquet_footer.read(footer_with(about=within(place, wrong)))


@pytest.mark.parametrize(("where", "number"), [("group", 4), ("file", 2), ("file", 5), ("file", 7)])
def test_so_is_one_of_a_row_group_or_of_the_file(where: str, number: int) -> None:
    right, wrong = listed(number, Kind.STRUCT, b"\0"), listed(number, Kind.I32, b"\0")
    assert parquet_footer.read(footer_with(**{where: right})).rows == 1
    with pytest.raises(BadRequest):
        parquet_footer.read(footer_with(**{where: wrong}))


def test_encrypted_columns_are_refused() -> None:
    footer = footer_with()
    assert footer.endswith(bytes([18, 8, 0, 0, Kind.I64, 6, 2, 0, 0]))
    with pytest.raises(BadRequest):
        parquet_footer.read(footer[:-6] + within(8, b"") + footer[-6:])


def test_statistics_that_contradict_the_schema_do_not_end_the_process() -> None:
    content = parquet(pa.table({"rooms": [1.5, None]}))
    optional, required = b"\x25\2\x18\5rooms", b"\x25\0\x18\5rooms"
    assert content.count(optional) == 1
    with pytest.raises(BadRequest):
        parquet_format.read(content.replace(optional, required), TABLE, LIMITS)
