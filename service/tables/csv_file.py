"""CSV, as programs and spreadsheets write it. All of its values are texts."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.csv

from service.errors import BadRequest, excerpt
from service.tables import names
from service.tables.column import Style
from service.tables.first_bytes import encoding_of
from service.tables.options import Bounds, Options
from service.tables.plain_bytes import PIECE_BYTES, PlainBytes
from service.tables.source import Source
from service.tables.values import Array

DELIMITERS = ",;\t|"
LOOKED_AT = 50
"""Rows of the beginning."""

MISSING = ("", "null", "NULL", "NaN", "nan", "NA", "N/A")

Decimal = Literal[".", ","]

_has_comma = re.compile(r"[+-]?\d+,\d+").fullmatch
_has_point = re.compile(r"[+-]?\d+\.\d+").fullmatch
_row = re.compile(r"Row #(\d+): ")
_uneven = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+): (.*)", re.DOTALL)

csv.field_size_limit(PIECE_BYTES)


def open_csv(upload: Path, plain: PlainBytes, options: Options, bounds: Bounds) -> Source:
    """A file of CSV; `plain` is its beginning.

    Raises:
        BadRequest: It cannot be read so; says what to pass.
        Invalid: Its columns cannot be called so.
    """
    encoding = options.encoding or encoding_of(plain.head) or "utf-8"
    if options.encoding is None and encoding == "utf-8" and b"\0" in plain.head[:100]:
        raise BadRequest("the file is no text in UTF-8; if it is UTF-16, pass encoding=utf-16-le")
    text = _decoded(PlainBytes(upload, bounds.max_bytes, encoding).head)
    delimiter = options.delimiter or max(
        DELIMITERS, key=lambda each: _likelihood(_records(text, each), options.target)
    )
    header, *rows = _records(text, delimiter) or [[]]
    header = [name.strip() for name in header]
    if len(header) < 2:
        raise BadRequest(
            f"with the delimiter {excerpt(delimiter)}, the file has one column, "
            f"{excerpt(''.join(header))}: pass delimiter= what stands between its values"
        )
    names.check(header, bounds.max_columns)
    decimal = options.decimal or _decimal(rows, delimiter)
    missing = (*MISSING, *options.missing)

    def batches() -> Iterator[Array]:
        text = PlainBytes(upload, bounds.max_bytes, encoding)
        return _batches(text, header, delimiter, missing)

    return Source(
        "csv",
        tuple(header),
        Style(True, pa.array(missing), decimal),
        batches,
        notes=(f"read as CSV with the delimiter {excerpt(delimiter)}",)
        + (("the decimal sign is a comma",) if decimal == "," else ())
        + ((f"the encoding is {encoding}",) if encoding != "utf-8" else ()),
    )


def _decoded(head: bytes) -> str:
    try:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError as error:
        raise _not_utf8(head[: error.start].count(b"\n")) from None


def _not_utf8(row: int) -> BadRequest:
    where = f"row {row}" if row > 0 else "the header"
    return BadRequest(
        f"{where} is not UTF-8: pass encoding=windows-1252 if it comes from Excel or "
        "an old program, or save it as `CSV UTF-8`"
    )


def _records(text: str, delimiter: str) -> list[list[str]]:
    """The header and the first rows; those that are empty do not count."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return list(islice(filter(None, lines), 1 + LOOKED_AT))
    except csv.Error:
        return []


def _likelihood(records: list[list[str]], target: str) -> tuple[bool, bool, int]:
    """The greater, the likelier it is that these rows were taken apart in the right way."""
    if not records:
        return False, False, 0
    header, *rows = records
    is_even = all(len(row) == len(header) for row in rows[:-1])  # the last may be cut
    return target in map(str.strip, header), is_even and len(header) > 1, len(header)


def _decimal(rows: list[list[str]], delimiter: str) -> Decimal:
    if delimiter == ",":
        return "."
    values = [value.strip() for row in rows for value in row]
    commas, points = (
        sum(1 for value in values if is_one(value)) for is_one in (_has_comma, _has_point)
    )
    return "," if commas > 0 and commas >= points else "."


def _batches(
    plain: PlainBytes, header: list[str], delimiter: str, missing: tuple[str, ...]
) -> Iterator[Array]:
    rows = 0
    batch = None
    try:
        for batch in pyarrow.csv.open_csv(
            pa.PythonFile(plain, mode="r"),
            pyarrow.csv.ReadOptions(
                # Without threads, errors tell the row.
                use_threads=False,
                block_size=PIECE_BYTES,
                column_names=header,
                skip_rows_after_names=1,
            ),
            pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()),
                null_values=missing,
                strings_can_be_null=True,
            ),
        ):
            rows += batch.num_rows
            yield batch
    except pa.ArrowInvalid as error:
        raise _refusal(str(error), rows) from None
    if batch is not None and batch.num_rows and _ends_within_quotes(batch, plain.tail):
        raise BadRequest(f"row {rows} has a quote that is not closed until the file ends")


def _refusal(message: str, rows: int) -> BadRequest:
    """What to tell of an error of Arrow's, whose first row is the header."""
    if uneven := _uneven.search(message):
        row, expected, got, text = uneven.groups()
        return BadRequest(
            f"row {int(row) - 1} has {got} values, and the header has {expected} names: "
            f"{excerpt(text)}; a delimiter within a value needs quotes around the value"
        )
    if "UTF8" in message:
        row = _row.search(message)
        return _not_utf8(int(row[1]) - 1 if row else rows + 1)
    if "straddling" in message:
        return BadRequest(
            f"a row behind row {rows} is longer than {PIECE_BYTES} bytes: is a quote not closed?"
        )
    return BadRequest(f"the file cannot be read as CSV: {excerpt(message)}")


def _ends_within_quotes(batch: Array, tail: bytes) -> bool:
    """Whether the last value has line breaks, and no quote behind it."""
    last = batch.column(batch.num_columns - 1)[-1].as_py() or ""
    return "\n" in last and not tail.rstrip(b"\r\n").endswith(b'"')
