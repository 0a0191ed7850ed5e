"""CSV bodies: UTF-8, separated by commas, with the names of the columns in the first line."""

import csv
import io
from collections.abc import Iterator, Mapping
from itertools import islice

import orjson

from models.config import ModelName
from models.schema import Type
from service.errors import BadRequest, Invalid, excerpt
from service.predict.formats import arrow_columns
from service.predict.formats.intake import MUST_BE, Intake
from service.predict.formats.question import (
    Features,
    Limits,
    Predictions,
    finite_predictions,
)

LONGEST_HEADER = 2**20
"""In bytes. A name that does not end before is not known."""

TYPES: Mapping[Type, str] = {
    "number": "float64",
    "boolean": "bool",
    "text": "string",
    "code": "string",
}
TRUE = ["true", "True", "TRUE", "1", "1.0"]
FALSE = ["false", "False", "FALSE", "0", "0.0"]


def read(body: bytes, intake: Intake, limits: Limits) -> Features:
    """Reads CSV: columns by their names, in any order.

    Missing is what is so in a table that is uploaded: what is empty, null, NA …
    """
    import pyarrow
    import pyarrow.csv

    from service.tables.csv_file import MISSING

    names = [name.strip() for name in next(_records(body[:LONGEST_HEADER]), [])]
    if not names:
        raise Invalid("the first line must hold the names of the columns")
    if len(names) == 1 and ";" in names[0]:
        raise Invalid("the columns must be separated by commas")
    intake.refuse_others(names)
    whole = pyarrow.csv.ReadOptions(
        use_threads=False,
        block_size=len(body) + 1,
        column_names=names,
        skip_rows_after_names=1,
    )
    as_told = pyarrow.csv.ConvertOptions(
        column_types={feature.name: TYPES[feature.type] for feature in intake.features},
        null_values=MISSING,
        true_values=TRUE,
        false_values=FALSE,
        strings_can_be_null=True,
    )
    quoted = pyarrow.csv.ParseOptions(newlines_in_values=True)
    try:
        body.decode()
        table = pyarrow.csv.read_csv(pyarrow.BufferReader(body), whole, quoted, as_told)
    except UnicodeDecodeError:
        raise BadRequest("the body is not UTF-8") from None
    except pyarrow.ArrowInvalid as error:
        raise _refusal(body, names, intake, error) from None
    return arrow_columns.read(table, intake, limits)


def most_rows(body: bytes) -> int:
    """The number of lines."""
    return body.count(b"\n") + 1


def write(predictions: Predictions, model: ModelName, version: int) -> bytes:
    """Writes a line for each prediction, below the name of the column: `predictions`."""
    array = orjson.dumps(finite_predictions(predictions), option=orjson.OPT_SERIALIZE_NUMPY)
    return b"predictions\n" + array[1:-1].replace(b",", b"\n") + b"\n"


def _records(body: bytes) -> Iterator[list[str]]:
    text = body.decode("utf-8-sig", "replace")
    try:
        yield from csv.reader(io.StringIO(text, newline=""))
    except csv.Error:
        raise BadRequest("the body is not CSV") from None


def _refusal(body: bytes, names: list[str], intake: Intake, error: Exception) -> Exception:
    """What is wrong with the first row that is; they are looked at one by one."""
    from service.tables.csv_file import MISSING

    types = {feature.name: feature.type for feature in intake.features}
    rows = (row for row in _records(body) if row)
    for number, row in enumerate(islice(rows, 1, None)):
        if len(row) != len(names):
            what = f"must hold {len(names)} values, as the first line does, received {len(row)}"
            return intake.refusal(number, None, what)
        for name, cell in zip(names, row, strict=True):
            if cell not in MISSING and not _fits(cell, types[name]):
                what = f"must be {MUST_BE[types[name]]}, received {excerpt(cell)}"
                return intake.refusal(number, name, what)
    return Invalid(f"the body: {error}")


def _fits(cell: str, kind: Type) -> bool:
    if kind == "number":
        try:
            float(cell)
        except ValueError:
            return False
        return "_" not in cell
    return kind != "boolean" or cell in (*TRUE, *FALSE)
