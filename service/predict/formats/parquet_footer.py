"""What the footer of a Parquet file says of its rows, and of where its columns lie.

pyarrow is not asked: if statistics in the footer are not as they should be, its answer is to end
the process. The fields are those of FileMetaData, and of what is in it, in parquet.thrift.
"""

from typing import NamedTuple

from service.errors import BadRequest
from service.predict.formats.thrift import I64, LIST, STRUCT, Struct, count, struct

ROW_GROUPS = 4, LIST

COLUMNS, ROWS = (1, LIST), (3, I64)
"""Of a row group."""

ABOUT = 3, STRUCT
"""Of a column."""

LENGTH, DATA_PAGE, DICTIONARY_PAGE = (7, I64), (9, I64), (11, I64)
"""Of what is told about it."""


class Footer(NamedTuple):
    """What a file is made of, as its footer has it."""

    rows: int
    chunks: list[tuple[int, int]]
    """Of each column in each row group: its place in the file, and its length in bytes."""


def read(footer: bytes) -> Footer:
    """Raises BadRequest if it is no footer."""
    try:
        groups = struct(footer, 0)[0][ROW_GROUPS]
        return Footer(
            rows=sum(count(group, ROWS) for group in groups),
            chunks=[_chunk(column[ABOUT]) for group in groups for column in group[COLUMNS]],
        )
    except (IndexError, KeyError, TypeError, ValueError):
        raise BadRequest("the body is not a Parquet file") from None


def _chunk(about: Struct) -> tuple[int, int]:
    start = count(about, DATA_PAGE)
    dictionary = about.get(DICTIONARY_PAGE, 0)
    return dictionary if 0 < dictionary < start else start, count(about, LENGTH)
