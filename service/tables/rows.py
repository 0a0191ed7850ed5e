"""A look at the rows of a revision. Its Parquet is our own, so that it is read right here."""

import math
from datetime import datetime
from pathlib import Path

from pydantic import JsonValue

from service.errors import NotFound
from service.tables.store import Tables

BUFFER_BYTES = 64 * 1024
"""Of each column: no more of it is read than is shown."""


def first_rows(tables: Tables, name: str, number: int, limit: int) -> list[dict[str, JsonValue]]:
    """The first rows of a revision, by column; null where a value is missing.

    Raises:
        NotFound: It was just removed, or its rows are missing.
    """
    try:
        return _first_rows(tables.look(name, number), limit)
    except FileNotFoundError:
        raise NotFound(f"the rows of revision {number} of {name} are gone") from None


def _first_rows(path: Path, limit: int) -> list[dict[str, JsonValue]]:
    from pyarrow import parquet  # many processes never need it

    with parquet.ParquetFile(path, buffer_size=BUFFER_BYTES) as file:
        batch = next(file.iter_batches(limit, use_threads=False), None)
    rows = batch.to_pylist() if batch else []
    return [{name: _json(value) for name, value in row.items()} for row in rows]


def _json(value: bool | float | str | datetime | None) -> JsonValue:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
