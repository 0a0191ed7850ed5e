"""The encoded rows of one side of a table, in pieces that fit in memory."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.columns import Columns, read
from models.parquet import Parquet
from models.preprocessing import Encoded, Preprocessing, encode
from models.schema import TableSchema

Records = NDArray[Any]
"""Encoded rows `(rows,)` with the fields of `Encoded`, each row in one piece."""


class Pieces(Protocol):
    """All rows once, in pieces."""

    def in_turn(self, shuffled: np.random.Generator | None) -> Iterator[Records]:
        """One piece after the other: in an order of their own, or in one that is drawn."""

    def apart(self) -> "Sequence[Pieces]":
        """The same rows by what can be read by itself, in an order that nothing changes."""


class Buckets(NamedTuple):
    """Rows that were encoded before, and strewn over buckets at random: on disk or in memory."""

    buckets: Sequence[Path | Records]
    record: np.dtype[np.void]

    def in_turn(self, shuffled: np.random.Generator | None) -> Iterator[Records]:
        """A bucket is a piece."""
        count = len(self.buckets)
        for index in range(count) if shuffled is None else shuffled.permutation(count):
            bucket = self.buckets[index]
            yield np.fromfile(bucket, self.record) if isinstance(bucket, Path) else bucket

    def apart(self) -> Sequence[Pieces]:
        """There is no more than one order here that nothing changes."""
        return [self]


class Elsewhere(NamedTuple):
    """Rows that are read anew each time, row group by row group, and never copied to a disk."""

    parquet: Parquet
    schema: TableSchema
    chosen: NDArray[np.bool_]
    """Of each row of the table, whether it is one of these."""
    preprocessing: Preprocessing
    record: np.dtype[np.void]
    most: int
    """A piece ends once it has so many rows."""
    groups: Iterable[int]
    """In which they are."""

    def in_turn(self, shuffled: np.random.Generator | None) -> Iterator[Records]:
        """A piece is of row groups, or of a part of a large one; drawn, groups are of anywhere."""
        groups = self.groups if shuffled is None else shuffled.permutation(list(self.groups))
        some, count = [], 0
        for columns, targets in read(self.parquet, self.schema, self.chosen, groups):
            some.append(records_of(self.encode(columns, targets), self.record))
            count += len(targets)
            if count >= self.most:
                yield np.concatenate(some)
                some, count = [], 0
        if some:
            yield np.concatenate(some)

    def encode(self, columns: Columns, targets: NDArray[np.float64]) -> Encoded:
        """Rows as a network takes them."""
        return encode(columns, targets, self.preprocessing, self.record["targets"].name)

    def apart(self) -> Sequence[Pieces]:
        """By row groups."""
        return [self._replace(groups=[group]) for group in self.groups]


def in_memory(
    rows: Iterable[tuple[NDArray[np.uint8], Encoded]],
    counts: NDArray[np.integer],
    record: np.dtype[np.void],
) -> list[Records]:
    """Encoded rows of each side in one piece, in their order; see `strewn`.

    Args:
        counts: How many rows each side has.
    """
    pieces = [np.empty(count, record) for count in counts]
    ends = np.zeros(len(counts), np.intp)
    for side, encoded in rows:
        records = records_of(encoded, record)
        for which, piece in enumerate(pieces):
            some = records[side == which]
            piece[ends[which] : ends[which] + len(some)] = some
            ends[which] += len(some)
    return pieces


def strewn(
    rows: Iterable[tuple[NDArray[np.uint8], Encoded]],
    how_many: NDArray[np.integer],
    draw: np.random.Generator,
    record: np.dtype[np.void],
    folder: Path,
) -> list[list[Path]]:
    """Strews encoded rows over files at random; returns those of each side.

    Args:
        rows: The side of each row, and the rows.
        how_many: Of each side, so many files there will be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{index}.rows" for index in range(how_many.sum())]
    for file in files:
        file.write_bytes(b"")
    ends = np.cumsum(how_many)
    firsts = ends - how_many
    for side, encoded in rows:
        bucket = firsts[side] + draw.integers(how_many[side])
        _append(files, bucket, records_of(encoded, record))
    return [files[first:end] for first, end in zip(firsts, ends, strict=True)]


def _append(files: Sequence[Path], bucket: NDArray[np.integer], records: Records) -> None:
    """Adds each record to the end of its bucket's file."""
    ends = np.cumsum(np.bincount(bucket, minlength=len(files)))
    in_order = records.take(np.argsort(bucket, kind="stable"))
    for path, part in zip(files, np.split(in_order, ends[:-1]), strict=True):
        if len(part):
            with path.open("ab") as file:
                part.tofile(file)


def record_of(preprocessing: Preprocessing, dtype: str) -> np.dtype[np.void]:
    """How an encoded row lies in memory; `dtype` is that of numbers and targets."""
    return np.dtype(
        [
            ("numbers", dtype, (preprocessing.numeric_width,)),
            ("codes", np.int32, (len(preprocessing.coded),)),
            ("targets", dtype),
        ],
        align=True,
    )


def records_of(encoded: Encoded, record: np.dtype[np.void]) -> Records:
    """Rows, each in one piece."""
    records = np.zeros(len(encoded.targets), record)
    for field, values in encoded._asdict().items():
        records[field] = values.T
    return records


def encoded_of(pieces: Sequence[Records]) -> Encoded:
    """Rows, field by field."""
    records = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    return Encoded(*(np.ascontiguousarray(records[field].T) for field in Encoded._fields))
