"""A linked table as it is trained on: row group by row group, each value as an upload has it."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from models.parquet import batch_rows
from models.schema import TableSchema
from service.registry.manifest import Damaged
from service.tables.column import Column, Style
from service.tables.link import Link, LinkedFile, Read, objects_at, open_file
from service.tables.options import Options
from service.tables.target import Target
from service.tables.values import Array, plain

OPENED_AT_ONCE = 16


class LinkedParquet:
    """The rows of a revision, as `models.parquet.Parquet`."""

    is_elsewhere = True

    def __init__(self, link: Path, schema: TableSchema, options: Options, read: Read) -> None:
        """Reads the footers of all files.

        Args:
            read: How a part of an object is read.

        Raises:
            Damaged: The files are not those of the revision any more.
        """
        self._content = link.read_bytes()
        self._link = msgspec.json.decode(self._content, type=Link)
        self._objects, self._read = objects_at(self._link.url), read
        self._schema, self._options = schema, options
        with ThreadPoolExecutor(OPENED_AT_ONCE) as threads:
            self._footers = list(threads.map(self._footer, self._link.files))
        self._places = [
            (file, index)
            for file, footer in enumerate(self._footers)
            for index in range(footer.num_row_groups)
        ]
        self.groups: Sequence[int] = [
            self._footers[file].row_group(index).num_rows for file, index in self._places
        ]

    def batches(self, names: Sequence[str], group: int) -> Iterator[Any]:
        """As `Parquet`. Raises Damaged if the file is not that of the revision any more."""
        number, index = self._places[group]
        file, footer = self._link.files[number], self._footers[number]
        try:
            with open_file(self._objects, file, len(names), footer, self._read) as parquet:
                for batch in parquet.iter_batches(
                    batch_rows(names), row_groups=[index], columns=names, use_threads=False
                ):
                    yield self._as_stored(batch)
        except FileNotFoundError:
            raise self._damaged(file) from None

    def digest(self) -> "hashlib._Hash":
        """Of the list of files, which says of each how the store tells it from others."""
        return hashlib.sha256(self._content)

    def _footer(self, file: LinkedFile) -> Any:
        try:
            with open_file(self._objects, file, read=self._read) as parquet:
                return parquet.metadata
        except FileNotFoundError:
            raise self._damaged(file) from None

    def _damaged(self, file: LinkedFile) -> Damaged:
        what = f"{self._link.url}/{file.key} has changed since the revision was made"
        return Damaged(f"{what}: put the table once more")

    def _as_stored(self, batch: Array) -> Array:
        return pa.record_batch(
            [self._converted(name, batch[name]) for name in batch.schema.names], batch.schema.names
        )

    def _converted(self, name: str, array: Array) -> Array:
        """Of a type that the schema knows; what rows are ordered by stays as it is."""
        style = Style(False, pa.array(["", *self._options.missing]))
        known = {feature.name: feature.type for feature in self._schema.features}
        if name in known:
            column = Column(name, "feature", style, named_categorical=False, expected=known[name])
            return column.convert(array, 0)
        if name == self._schema.target:
            is_number = self._schema.task == "regression"
            column = Column(name, "target", style, False, "number" if is_number else None)
            target = Target(column, self._options, self._schema)
            return target.encode(column.convert(array, 0), 0)
        array = plain(array)
        return pc.if_else(pc.is_finite(array), array, None) if _is_float(array) else array


def _is_float(array: Array) -> bool:
    return bool(pa.types.is_floating(array.type))
