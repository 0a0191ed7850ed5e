import datetime
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.errors import BadRequest
from service.predict.formats import parquet_footer, parquet_format
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


def test_statistics_that_contradict_the_schema_do_not_end_the_process() -> None:
    content = parquet(pa.table({"rooms": [1.5, None]}))
    optional, required = b"\x25\2\x18\5rooms", b"\x25\0\x18\5rooms"
    assert content.count(optional) == 1
    with pytest.raises(BadRequest):
        parquet_format.read(content.replace(optional, required), TABLE, LIMITS)
