"""Rows on their way to Parquet, profiled row group by row group in a thread of its own."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet

from service.tables.column import Column
from service.tables.profile import Profile
from service.tables.values import Array

GROUP_ROWS = 2**17
GROUP_BYTES = 2**25
"""A row group ends before the first of both is passed."""


class Writer:
    """A file of Parquet, and a profile of each column: of the target, of its encoded values.

    Both are whole when its context has ended.
    """

    def __init__(
        self, path: Path, columns: list[Column], max_distinct: int, most: int | None = None
    ) -> None:
        """`most`: of the rows only the first ones are kept, so many or fewer; default: all."""
        self.rows = 0
        self.profiles: list[Profile] = []
        self._path = path
        self._columns = columns
        self._target = [column.role for column in columns].index("target")
        self._max_distinct = max_distinct
        self._left = most
        self._file: Any = None
        self._batches: list[Array] = []
        self._group_rows = self._group_bytes = 0
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._thread.shutdown()
        if self._file is not None:
            self._file.close()
        if error is None:
            self._await_group()

    def add(self, batch: Array) -> None:
        """Takes the next rows: a `pyarrow.RecordBatch` of the columns, the target encoded.

        Raises:
            Invalid: A category has more values than are allowed, in a row group before.
        """
        rows, size = len(batch), batch.nbytes
        if self._group_rows + rows > GROUP_ROWS or self._group_bytes + size > GROUP_BYTES:
            self.flush()
        self._batches.append(batch)
        self._group_rows += rows
        self._group_bytes += size
        self.rows += rows

    def flush(self) -> None:
        """Has the rows that were added written as a row group, once the one before is."""
        self._await_group()
        if self._batches:
            table = pa.Table.from_batches(self._batches)
            self._batches, self._group_rows, self._group_bytes = [], 0, 0
            self._writing = self._thread.submit(self._write, table)

    def _await_group(self) -> None:
        if self._writing is not None:
            self._writing.result()

    def _write(self, table: Array) -> None:
        if self._file is None:
            texts = [field.name for field in table.schema if field.type == pa.string()]
            self._file = pa.parquet.ParquetWriter(self._path, table.schema, use_dictionary=texts)
            self.profiles = [
                Profile(column, kind, self._max_distinct)
                for column, kind in zip(self._columns, table.schema.types, strict=True)
            ]
        targets = table.column(self._target).to_numpy()
        for profile, values in zip(self.profiles, table.columns, strict=True):
            profile.add(values, targets)
        if self._left is not None:
            table = table.slice(0, self._left)
            self._left -= len(table)
        if len(table):
            self._file.write_table(table, GROUP_ROWS)
