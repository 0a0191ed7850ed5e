"""How much a Parquet file makes of itself once it is read: what the headers of its pages say.

pyarrow takes the memory that these ask for, whatever the footer of the file says; a few bytes can
stand for gigabytes of zeros. The fields are those of PageHeader in parquet.thrift.
"""

from collections.abc import Iterable

from service.errors import BadRequest, Invalid, TooLarge
from service.predict.formats.question import Limits
from service.predict.formats.thrift import I32, STRUCT, Struct, count, struct

MOST_PAGES = 10_000

UNCOMPRESSED_SIZE, COMPRESSED_SIZE = (2, I32), (3, I32)
DATA, DICTIONARY, DATA_2 = (5, STRUCT), (7, STRUCT), (8, STRUCT)

VALUES = 1, I32
ENCODING = {DATA: (2, I32), DATA_2: (4, I32)}
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
    pages = size = 0
    for start, length in chunks:
        place, end = start, start + length
        while place < end:
            try:
                page, place = struct(body, place)
                place += count(page, COMPRESSED_SIZE)
                size += count(page, UNCOMPRESSED_SIZE)
                _check_values(page, limits.rows)
            except (IndexError, KeyError, TypeError, ValueError):
                raise BadRequest("the body is not a Parquet file") from None
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
            if page[kind][encoding] == DELTA_BYTE_ARRAY:
                raise Invalid("the Parquet file must not have the encoding DELTA_BYTE_ARRAY")
