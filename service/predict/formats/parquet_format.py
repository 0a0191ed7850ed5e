"""Parquet bodies.

All that a file can make of itself is bounded before any of it is decoded: what its footer says,
and what the headers of its pages say, by which memory is taken.
"""

from collections.abc import Iterator
from typing import Any

from models.config import ModelName
from service.errors import BadRequest, TooLarge
from service.predict.formats import arrow_columns, parquet_pages
from service.predict.formats.intake import Intake
from service.predict.formats.question import (
    TOO_MANY_ROWS,
    Features,
    Limits,
    Predictions,
    finite_predictions,
)

LONGEST_FOOTER = 2**20
"""In bytes: what it is read into takes some hundred times as many."""

NOT_PARQUET = "the body is not a Parquet file"


def read(body: bytes, intake: Intake, limits: Limits) -> Features:
    """Reads a Parquet file: columns by their names, in any order."""
    import pyarrow
    import pyarrow.parquet

    if not body.endswith(b"PAR1"):
        raise BadRequest(NOT_PARQUET)
    if int.from_bytes(body[-8:-4], "little") > LONGEST_FOOTER:
        raise TooLarge(f"the Parquet file has a footer of more than {LONGEST_FOOTER} bytes")
    try:
        metadata = pyarrow.parquet.read_metadata(pyarrow.BufferReader(body))
        schema = metadata.schema.to_arrow_schema()
        _check(body, schema, metadata, intake, limits)
        words = [each.name for each in intake.schema.categorical if each.name in schema.names]
        file = pyarrow.parquet.ParquetFile(
            pyarrow.BufferReader(body), metadata=metadata, read_dictionary=words, pre_buffer=False
        )
        table = file.read(use_threads=False)
        table.validate(full=True)
    except (pyarrow.ArrowException, OSError, MemoryError, UnicodeDecodeError):
        raise BadRequest(NOT_PARQUET) from None
    return arrow_columns.read(table, intake, limits)


def write(predictions: Predictions, model: ModelName, version: int) -> bytes:
    """Writes a Parquet file with one column, `predictions`."""
    import pyarrow
    import pyarrow.parquet

    sink = pyarrow.BufferOutputStream()
    table = pyarrow.table({"predictions": finite_predictions(predictions)})
    pyarrow.parquet.write_table(table, sink)
    file: bytes = sink.getvalue().to_pybytes()
    return file


def _check(body: bytes, schema: Any, metadata: Any, intake: Intake, limits: Limits) -> None:
    """Raises what refuses a file of other columns, or one that holds more than is allowed."""
    intake.refuse_others(schema.names)
    arrow_columns.read(schema.empty_table(), intake, limits)  # refuses other types
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    if sum(group.num_rows for group in groups) > limits.rows:
        raise TooLarge(TOO_MANY_ROWS.format(limits.rows))
    parquet_pages.check(body, _chunks(groups), limits)


def _chunks(groups: list[Any]) -> Iterator[tuple[int, int]]:
    """Where the columns of a file lie, and how long they are, as pyarrow finds them."""
    for group in groups:
        for number in range(group.num_columns):
            chunk = group.column(number)
            start, dictionary = chunk.data_page_offset, chunk.dictionary_page_offset
            if chunk.has_dictionary_page and 0 < dictionary < start:
                start = dictionary
            if start < 0:
                raise BadRequest(NOT_PARQUET)
            yield start, chunk.total_compressed_size
