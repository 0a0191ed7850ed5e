"""How much a Parquet file makes of itself once it is read: what the headers of its pages say.

pyarrow takes the memory that these ask for, whatever the footer of the file says; a few bytes can
stand for gigabytes of zeros. The fields are those of PageHeader in parquet.thrift.
"""

from collections.abc import Iterable

from service.errors import BadRequest, Invalid, TooLarge
from service.predict.formats.parquet_footer import NO_STRUCT, NOT_PARQUET
from service.predict.formats.question import Limits
from service.predict.formats.thrift import Kind, Reader, Struct, count

MOST_PAGES = 10_000

LONGEST_HEADER = 2**17
"""In bytes: statistics in it may be two long texts."""

UNCOMPRESSED_SIZE, COMPRESSED_SIZE = (2, Kind.I32), (3, Kind.I32)
DATA, DICTIONARY, DATA_2 = (5, Kind.STRUCT), (7, Kind.STRUCT), (8, Kind.STRUCT)

VALUES = 1, Kind.I32
ENCODING = {DATA: (2, Kind.I32), DATA_2: (4, Kind.I32)}
"""Of what heads a page of each kind."""

DELTA_BYTE_ARRAY = 7
"""The encoding in which a text says how much of it is as the one before: again, few bytes."""


def check(body: bytes, chunks: Iterable[tuple[int, int]], limits: Limits) -> None:
    """Looks at all pages of a file, of which `chunks` are the places and lengths of columns.

    Raises:
        BadRequest: They are not what they should be.
        Invalid: They are encoded in a way of which nobody can tell how much it is.
        TooLarge: There is more in them than is allowed.
    """
    view = memoryview(body)
    pages = size = 0
    for start, length in chunks:
        place, end = start, start + length
        while place < end:
            try:
                reader = Reader(view[place : place + LONGEST_HEADER], with_lists=False)
                page = reader.struct()
                place += reader.place + count(page, COMPRESSED_SIZE)
                # Columns may lie in one place, and then each takes time for its headers.
                size += reader.place + count(page, UNCOMPRESSED_SIZE)
                _check_values(page, limits.rows)
            except NO_STRUCT:
                raise BadRequest(NOT_PARQUET) from None
            pages += 1
            if pages > MOST_PAGES:
                raise TooLarge(f"the Parquet file has more than {MOST_PAGES} pages")
            if size > limits.bytes:
                raise TooLarge(f"the Parquet file decodes to more than {limits.bytes} bytes")


def _check_values(page: Struct, most: int) -> None:
    if DICTIONARY in page and count(page[DICTIONARY], VALUES) > count(page, UNCOMPRESSED_SIZE):
        raise ValueError
    for kind, encoding in ENCODING.items():
        if kind in page:
            if count(page[kind], VALUES) > most:
                raise TooLarge(f"instances: more than {most} rows in one request")
            if count(page[kind], encoding) == DELTA_BYTE_ARRAY:
                raise Invalid("the Parquet file must not have the encoding DELTA_BYTE_ARRAY")
