"""How much a Parquet file makes of itself once it is read: what the headers of its pages say.

pyarrow takes the memory that these ask for, whatever the footer of the file says; a few bytes can
stand for gigabytes of zeros. A header is a struct of Thrift's compact protocol, PageHeader in
parquet.thrift.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from service.errors import BadRequest, Invalid, TooLarge
from service.predict.formats.question import Limits

MOST_PAGES = 10_000

UNCOMPRESSED_SIZE, COMPRESSED_SIZE, DATA, DICTIONARY, DATA_2 = 2, 3, 5, 7, 8
"""Fields of PageHeader."""

VALUES = 1
ENCODING = {DATA: 2, DATA_2: 4}
"""Fields of what heads a page of each kind."""

DELTA_BYTE_ARRAY = 7
"""The encoding in which a text says how much of it is as the one before: again, few bytes."""

DEEPEST = 6

Struct = dict[int, Any]


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
                page, place = _struct(body, place, DEEPEST)
                place += _count(page, COMPRESSED_SIZE)
                size += _count(page, UNCOMPRESSED_SIZE)
                _check_values(page, limits.rows)
            except (IndexError, KeyError, TypeError, ValueError):
                raise BadRequest("the body is not a Parquet file") from None
            pages += 1
            if pages > MOST_PAGES:
                raise TooLarge(f"the Parquet file has more than {MOST_PAGES} pages")
            if size > limits.bytes:
                raise TooLarge(f"the Parquet file decodes to more than {limits.bytes} bytes")


def _check_values(page: Struct, most: int) -> None:
    if DICTIONARY in page and _count(page[DICTIONARY], VALUES) > _count(page, UNCOMPRESSED_SIZE):
        raise ValueError
    for kind, encoding in ENCODING.items():
        if kind in page:
            if _count(page[kind], VALUES) > most:
                raise TooLarge(f"instances: more than {most} rows in one request")
            if page[kind][encoding] == DELTA_BYTE_ARRAY:
                raise Invalid("the Parquet file must not have the encoding DELTA_BYTE_ARRAY")


def _count(fields: Struct, number: int) -> int:
    count = fields[number]
    if not isinstance(count, int) or count < 0:
        raise ValueError
    return count


def _struct(body: bytes, place: int, depth: int) -> tuple[Struct, int]:
    """The fields of a struct by their numbers, and where it ends."""
    if not depth:
        raise ValueError
    found: Struct = {}
    number = 0
    while head := body[place]:
        place += 1
        if head >> 4:
            number += head >> 4
        else:
            number, place = _integer(body, place)
        found[number], place = _value(body, place, head & 0x0F, depth)
    return found, place + 1


def _value(body: bytes, place: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in (1, 2):  # true and false, which hold nothing more
        return kind == 1, place
    if kind == STRUCT:
        return _struct(body, place, depth - 1)
    return _READ[kind](body, place)


def _varint(body: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, place
        if shift > 63:
            raise ValueError


def _integer(body: bytes, place: int) -> tuple[int, int]:
    value, place = _varint(body, place)
    return (value >> 1) ^ -(value & 1), place


def _binary(body: bytes, place: int) -> tuple[None, int]:
    length, place = _varint(body, place)
    return None, place + length


STRUCT = 12
_READ: Mapping[int, Callable[[bytes, int], tuple[Any, int]]] = {
    3: lambda body, place: (None, place + 1),  # a byte
    4: _integer,
    5: _integer,
    6: _integer,
    7: lambda body, place: (None, place + 8),  # a double
    8: _binary,
}
"""How values of other kinds are read; a page's header holds no lists, sets or maps."""
