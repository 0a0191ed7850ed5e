"""Bodies, good and bad, and how they are read."""

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from service.predict.formats.intake import Intake
from service.predict.formats.question import Features, Limits
from tests.predict.tables import HOUSES

TRIPLES = Intake()
TABLE = Intake(HOUSES)
LIMITS = Limits(rows=100_000, bytes=16 * 2**20)

ROWS = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])


def npy(array: Any, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), version, allow_pickle=True)
    return file.getvalue()


def arrow(
    *columns: Any, names: Sequence[str] | None = None, compression: str | None = None
) -> bytes:
    names = names or [f"x{number}" for number in range(len(columns))]
    table = pyarrow.Table.from_arrays([pyarrow.array(column) for column in columns], names)
    return stream(table, compression)


def stream(table: Any, compression: str | None = None, batch_rows: int | None = None) -> bytes:
    sink = pyarrow.BufferOutputStream()
    options = pyarrow.ipc.IpcWriteOptions(compression=compression)
    with pyarrow.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=batch_rows)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def parquet(table: Any, **options: Any) -> bytes:
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink, **options)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def rows(features: Features) -> list[list[Any]]:
    """What was read of a table, row by row, with None for what is missing."""
    columns: list[list[Any]] = [
        [None if value == "" or is_nan(value) else value for value in values]
        for values in features.values()
    ]
    return [list(row) for row in zip(*columns, strict=True)]
