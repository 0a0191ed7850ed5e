import io
import zlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.errors import BadRequest, Invalid, TooLarge
from service.predict.formats import parquet_format, parquet_pages
from service.predict.formats.question import Limits
from tests.predict.formats.bodies import LIMITS, ROWS, TABLE, TRIPLES, parquet, rows

MIXED = pa.table({"city": ["Oslo", None, "Rome"] * 1000, "rooms": np.arange(3000) % 7})


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "brotli", "zstd", "lz4"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_a_file_is_read_however_it_is_written(
    compression: str, version: str, dictionary: bool
) -> None:
    content = parquet(
        MIXED,
        compression=compression,
        data_page_version=version,
        use_dictionary=dictionary,
        row_group_size=1000,
        data_page_size=500,
    )
    found = rows(parquet_format.read(content, TABLE, LIMITS))
    expected = zip(MIXED["rooms"].to_pylist(), MIXED["city"].to_pylist(), strict=True)
    assert found == [[number, None, city, None] for number, city in expected]


def test_triples_are_read_by_their_columns() -> None:
    table = pa.table({name: ROWS[:, int(name[1])] for name in ("x2", "x0", "x1")})
    features = parquet_format.read(parquet(table), TRIPLES, LIMITS)
    np.testing.assert_array_equal(features["features"], ROWS)


def test_a_written_file_is_read_back() -> None:
    content = parquet_format.write(np.array([1.5, 2.5], np.float32), "cross", 1)
    assert pq.read_table(io.BytesIO(content)).to_pydict() == {"predictions": [1.5, 2.5]}


def test_what_it_decodes_to_is_bounded_and_not_what_it_is() -> None:
    zeros = pa.table({"rooms": np.zeros(100_000)})
    content = parquet(zeros, compression="zstd", use_dictionary=False)
    assert len(content) < 3000
    with pytest.raises(TooLarge, match="decodes to more than 100000 bytes"):
        parquet_format.read(content, TABLE, Limits(rows=100_000, bytes=100_000))


def header(**fields: int) -> bytes:
    """The header of a data page: its kind, sizes, and number of values, as Thrift writes them."""
    kind = bytes([0x15, 0])
    sizes = b"".join(b"\x15" + varint(2 * fields[name]) for name in ("decodes_to", "bytes"))
    values = b"\x2c" + b"\x15" + varint(2 * fields["values"])
    return kind + sizes + values + b"\x15" + varint(2 * fields["encoding"]) + b"\0\0"


def varint(value: int) -> bytes:
    found = []
    while value >= 128:
        found.append(value % 128 + 128)
        value //= 128
    return bytes([*found, value])


FEW = Limits(rows=10, bytes=1000)


@pytest.mark.parametrize(
    ("page", "error"),
    [
        ({"decodes_to": 2**31 - 1, "bytes": 0, "values": 1, "encoding": 0}, TooLarge),
        ({"decodes_to": 8, "bytes": 0, "values": 11, "encoding": 0}, TooLarge),
        ({"decodes_to": 8, "bytes": 0, "values": 1, "encoding": 7}, Invalid),
        ({"decodes_to": 8, "bytes": 0, "values": 1, "encoding": 7 + 2**31}, BadRequest),
    ],
    ids=[
        "a page that says it is large",
        "more values than rows",
        "texts made of one another",
        "the same, for those who keep 32 bits of a number",
    ],
)
def test_pages_are_looked_at_whatever_the_footer_says(page: Any, error: type[Exception]) -> None:
    content = header(**page)
    with pytest.raises(error):
        parquet_pages.check(content, [(0, len(content))], FEW)


def test_pages_add_up_over_all_columns() -> None:
    page = header(decodes_to=400, bytes=0, values=1, encoding=0)
    parquet_pages.check(page * 2, [(0, len(page)), (len(page), len(page))], FEW)
    with pytest.raises(TooLarge):
        parquet_pages.check(page * 3, [(0, len(page) * 2), (len(page) * 2, len(page))], FEW)


def test_headers_add_up_too() -> None:
    page = bytes([0x15, 0, 0x15, 0, 0x15, 0, 0x18, 200]) + b"\1" + b"x" * 200 + b"\0"
    parquet_pages.check(page, [(0, len(page))] * 4, FEW)
    with pytest.raises(TooLarge):
        parquet_pages.check(page, [(0, len(page))] * 5, FEW)


def test_very_many_pages_are_refused() -> None:
    pages = header(decodes_to=0, bytes=0, values=0, encoding=0) * (parquet_pages.MOST_PAGES + 1)
    with pytest.raises(TooLarge, match="pages"):
        parquet_pages.check(pages, [(0, len(pages))], Limits(rows=10, bytes=10**6))


@pytest.mark.parametrize("content", [b"", b"\x15", b"\x15\xff", b"\xff" * 40, b"\x1c" * 40, b"\0"])
def test_what_is_no_header_is_refused(content: bytes) -> None:
    with pytest.raises(BadRequest):
        parquet_pages.check(content, [(0, 100)], FEW)


def written_by(content: bytes, writer: str) -> bytes:
    """The same file by another writer."""
    length = int.from_bytes(content[-8:-4], "little")
    pages, footer = content[: -8 - length], content[-8 - length : -8]
    writers = [pq.read_metadata(io.BytesIO(content)).created_by.encode(), writer.encode()]
    ours, theirs = (varint(len(each)) + each for each in writers)
    assert footer.count(ours) == 1
    footer = footer.replace(ours, theirs)
    return pages + footer + len(footer).to_bytes(4, "little") + b"PAR1"


@pytest.mark.parametrize(
    "writer",
    [
        "parquet-mr version 1.2.8 (build a)",
        "Parquet-MR version 1.2.8",
        "parquet-mr",
        " parquet-mr version 1.12",
        "parquet-mr version 4294967297.0.0",
        "parquet-mr version 1.2.4294967296",
        "parquet-mr version \u0669.\u0669.\u0669",
    ],
)
def test_a_writer_beyond_whose_columns_pages_are_read_is_refused(writer: str) -> None:
    content = parquet(pa.table({"rooms": [1.5]}))
    with pytest.raises(Invalid, match=r"parquet-mr older than 1\.2\.9"):
        parquet_format.read(written_by(content, writer), TABLE, LIMITS)


@pytest.mark.parametrize(
    "writer",
    [
        "parquet-mr version 1.12.3_x (build b)",
        "parquet-mr-trino version 480 (build n/a)",
        "parquet-go",
        "",
        "é",
    ],
)
def test_any_other_writer_will_do(writer: str) -> None:
    content = written_by(parquet(pa.table({"rooms": [1.5]})), writer)
    assert rows(parquet_format.read(content, TABLE, LIMITS)) == [[1.5, None, None, None]]


def test_a_page_that_decodes_to_more_than_the_footer_says_takes_no_memory() -> None:
    """A file whose footer speaks of a small page, where a large one lies."""
    zeros = pa.table({"rooms": np.zeros(2_000_000)})
    small = parquet(pa.table({"rooms": np.zeros(10)}), compression="gzip", use_dictionary=False)
    metadata = pq.ParquetFile(io.BytesIO(small)).metadata.row_group(0).column(0)
    large = zlib.compress(np.zeros(2_000_000).tobytes(), wbits=31)
    page = header(decodes_to=zeros.nbytes, bytes=len(large), values=10, encoding=0)
    start, length = metadata.data_page_offset, metadata.total_compressed_size
    assert len(page) < length
    content = small[:start] + page + small[start + len(page) :]
    usual = pa.default_memory_pool()
    watched = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(watched)
    try:
        with pytest.raises(TooLarge, match="decodes to more than"):
            parquet_format.read(content, TABLE, Limits(rows=100, bytes=10**6))
    finally:
        pa.set_memory_pool(usual)
    assert watched.max_memory() < 10**6
