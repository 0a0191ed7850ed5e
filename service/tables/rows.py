"""A look at the rows of a revision. Its Parquet is our own, so that it is read right here."""

import math
from datetime import datetime
from pathlib import Path

from pydantic import JsonValue

BUFFER_BYTES = 64 * 1024
"""Of each column: no more of it is read than is shown."""


def first_rows(path: Path, limit: int) -> list[dict[str, JsonValue]]:
    """The first rows of a Parquet file, by column; null where a value is missing."""
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
