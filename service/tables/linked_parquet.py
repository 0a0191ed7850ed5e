"""A linked table as it is trained on: row group by row group, each value as an upload has it."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from models.parquet import batch_rows
from service.registry.manifest import Damaged
from service.tables.column import Column, Style
from service.tables.contents import Contents
from service.tables.link import Link, LinkedFile, Read, objects_at, open_file
from service.tables.options import Options
from service.tables.target import Target
from service.tables.values import Array

OPENED_AT_ONCE = 16

FOOTERS_KEPT = 64
"""Of wide tables with many row groups, each may be of megabytes."""


class LinkedParquet:
    """The rows of a revision, as `models.parquet.Parquet`."""

    is_elsewhere = True

    def __init__(self, link: Path, contents: Contents, options: Options, read: Read) -> None:
        """Reads the footers of all files.

        Args:
            contents: What was found when the revision was made.
            read: How a part of an object is read.

        Raises:
            Damaged: The files are not those of the revision any more.
        """
        self._content = link.read_bytes()
        self._link = msgspec.json.decode(self._content, type=Link)
        self._objects, self._read = objects_at(self._link.url), read
        self._schema, self._options = contents.table_schema, options
        self._columns = {of.name: (of.role, of.type) for of in contents.profile}
        self._style = Style(False, pa.array(["", *options.missing]))
        self._footer = lru_cache(FOOTERS_KEPT)(self._read_footer)
        with ThreadPoolExecutor(OPENED_AT_ONCE) as threads:
            of_files = list(threads.map(self._group_rows, range(len(self._link.files))))
        self._places = [
            (file, index) for file, rows in enumerate(of_files) for index in range(len(rows))
        ]
        self.groups: Sequence[int] = [rows for of_file in of_files for rows in of_file]
        self._starts = [0, *accumulate(self.groups)]

    def start(self, group: int) -> int:
        """How many rows come before a group."""
        return self._starts[group]

    def batches(self, names: Sequence[str], group: int) -> Iterator[Any]:
        """As `Parquet`. Raises Damaged if the file is not that of the revision any more."""
        number, index = self._places[group]
        file, footer = self._link.files[number], self._footer(number)
        with (
            self._unchanged(file),
            open_file(self._objects, file, len(names), footer, self._read) as parquet,
        ):
            for batch in parquet.iter_batches(
                batch_rows(names), row_groups=[index], columns=names, use_threads=False
            ):
                yield pa.record_batch(
                    [self._converted(name, batch[name]) for name in batch.schema.names],
                    batch.schema.names,
                )

    def digest(self) -> "hashlib._Hash":
        """Of the list of files, which says of each how the store tells it from others."""
        return hashlib.sha256(self._content)

    def _group_rows(self, number: int) -> list[int]:
        footer = self._footer(number)
        return [footer.row_group(index).num_rows for index in range(footer.num_row_groups)]

    def _read_footer(self, number: int) -> Any:
        file = self._link.files[number]
        with self._unchanged(file), open_file(self._objects, file, read=self._read) as parquet:
            return parquet.metadata

    @contextmanager
    def _unchanged(self, file: LinkedFile) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            what = f"{self._link.url}/{file.key} has changed since the revision was made"
            raise Damaged(f"{what}: put the table once more") from None

    def _converted(self, name: str, array: Array) -> Array:
        """As when the revision was made, so of a type that is known."""
        role, kind = self._columns[name]
        column = Column(name, role, self._style, named_categorical=False, expected=kind)
        values = column.convert(array, 0)
        if role == "target":
            return Target(column, self._options, self._schema).encode(values, 0)
        return values
