"""What the footer of a Parquet file says of its rows, and of where its columns lie.

pyarrow is not asked: if statistics in the footer are not as they should be, its answer is to end
the process. The fields are those of FileMetaData, and of what is in it, in parquet.thrift.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from service.errors import BadRequest
from service.predict.formats.thrift import Kind, Reader, Struct, count, elements

NOT_PARQUET = "the body is not a Parquet file"

NO_STRUCT = IndexError, KeyError, TypeError, ValueError
"""What is raised where something else lies."""

SCHEMA, ROW_GROUPS = 2, 4
COLUMNS, ROWS = 1, (3, Kind.I64)
"""Of a row group."""

ABOUT, ENCRYPTION = (3, Kind.STRUCT), (8, Kind.STRUCT)
"""Of a column."""

LENGTH, DATA_PAGE, DICTIONARY_PAGE = (7, Kind.I64), (9, Kind.I64), (11, Kind.I64)
SIZES, PLACES = (16, Kind.STRUCT), (17, Kind.STRUCT)
"""Of what is told about it."""

Lists = Mapping[int, int]
"""All lists of a struct, and the kinds of their elements."""

OF_FILE: Lists = dict.fromkeys((SCHEMA, ROW_GROUPS, 5, 7), Kind.STRUCT)
OF_GROUP: Lists = dict.fromkeys((COLUMNS, 4), Kind.STRUCT)
OF_COLUMN: Lists = {2: Kind.I32, 3: Kind.BINARY, 8: Kind.STRUCT, 13: Kind.STRUCT}
OF_SIZES: Lists = {2: Kind.I64, 3: Kind.I64}
OF_PLACES: Lists = {2: Kind.I32}


class Footer(NamedTuple):
    """What a file is made of, as its footer has it."""

    rows: int
    chunks: list[tuple[int, int]]
    """Of each column in each row group: its place in the file, and its length in bytes."""


def read(footer: bytes) -> Footer:
    """Raises BadRequest if it is no footer."""
    try:
        file = Reader(footer).struct()
        _check(file, OF_FILE)
        groups = elements(file, ROW_GROUPS, Kind.STRUCT)
        return Footer(
            rows=sum(count(group, ROWS) for group in groups),
            chunks=[chunk for group in groups for chunk in _chunks(group)],
        )
    except NO_STRUCT:
        raise BadRequest(NOT_PARQUET) from None


def _chunks(group: Struct) -> Iterator[tuple[int, int]]:
    _check(group, OF_GROUP)
    for column in elements(group, COLUMNS, Kind.STRUCT):
        about = column[ABOUT]
        _check(about, OF_COLUMN)
        _check(about.get(SIZES, {}), OF_SIZES)
        _check(about.get(PLACES, {}), OF_PLACES)
        if ENCRYPTION in column:
            raise ValueError
        start = count(about, DATA_PAGE)
        dictionary = about.get(DICTIONARY_PAGE, 0)
        yield dictionary if 0 < dictionary < start else start, count(about, LENGTH)


def _check(found: Struct, lists: Lists) -> None:
    """Raises ValueError if a list is not what others take it for, and all after it neither."""
    for number, kind in lists.items():
        if (number, Kind.LIST) in found:
            elements(found, number, kind)
