"""Parquet bodies.

All that a file can make of itself is bounded before any of it is decoded: what its footer says,
and what the headers of its pages say, by which memory is taken.
"""

import re
from typing import Any

from models.config import ModelName
from service.errors import BadRequest, Invalid, TooLarge
from service.predict.formats import arrow_columns, parquet_footer, parquet_pages
from service.predict.formats.intake import Intake
from service.predict.formats.parquet_footer import NOT_PARQUET
from service.predict.formats.question import (
    TOO_MANY_ROWS,
    Features,
    Limits,
    Predictions,
    finite_predictions,
)

LONGEST_FOOTER = 2**20
"""In bytes: what it is read into takes some hundred times as many."""

FIRST_EXACT = 1, 2, 9
"""An older parquet-mr says too little of how long columns are, so pyarrow reads beyond them."""

_version = re.compile(r"\s*([0-9]{1,4})\.([0-9]{1,4})\.([0-9]{1,4})(?![0-9])", re.ASCII)


def read(body: bytes, intake: Intake, limits: Limits) -> Features:
    """Reads a Parquet file: columns by their names, in any order."""
    import pyarrow
    import pyarrow.parquet

    if not body.endswith(b"PAR1"):
        raise BadRequest(NOT_PARQUET)
    if _footer_length(body) > LONGEST_FOOTER:
        raise TooLarge(f"the Parquet file has a footer of more than {LONGEST_FOOTER} bytes")
    try:
        metadata = pyarrow.parquet.read_metadata(pyarrow.BufferReader(body))
        schema = metadata.schema.to_arrow_schema()
        _check_writer(metadata.created_by)
        _check(body, schema, intake, limits)
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


def _check_writer(created_by: str) -> None:
    """Raises Invalid if pages may be read that do not lie where the footer says."""
    name, _, version = created_by.partition(" version ")
    if name.strip().lower() == "parquet-mr":
        found = _version.match(version)
        if not found or tuple(map(int, found.groups())) < FIRST_EXACT:
            raise Invalid("the Parquet file must not be by a parquet-mr older than 1.2.9")


def _check(body: bytes, schema: Any, intake: Intake, limits: Limits) -> None:
    """Raises what refuses a file of other columns, or one that holds more than is allowed."""
    intake.refuse_others(schema.names)
    arrow_columns.read(schema.empty_table(), intake, limits)  # refuses other types
    footer = parquet_footer.read(body[-8 - _footer_length(body) : -8])
    if footer.rows > limits.rows:
        raise TooLarge(TOO_MANY_ROWS.format(limits.rows))
    parquet_pages.check(body, footer.chunks, limits)


def _footer_length(body: bytes) -> int:
    return int.from_bytes(body[-8:-4], "little")
