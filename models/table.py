"""A table's rows as a trainer takes them: split, encoded, shuffled, from memory or from disk."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.ahead import ahead
from models.columns import Columns, joined, read
from models.config import TableDataset
from models.parquet import Parquet
from models.pieces import (
    Buckets,
    Elsewhere,
    Pieces,
    Records,
    encoded_of,
    in_memory,
    record_of,
    strewn,
)
from models.preprocessing import Encoded, Preprocessing, encode, fit
from models.rows import Blocks
from models.schema import TableSchema
from models.splits import NOWHERE, SIDES, TRAIN, sides


class Table(NamedTuple):
    """A revision of a table, ready to be trained on."""

    schema: TableSchema
    preprocessing: Preprocessing
    train: "Rows"
    validation: "Rows"
    test: "Rows"
    fingerprint: str
    """SHA-256 of the revision's rows and of each row's side."""

    @property
    def sides(self) -> tuple["Rows", "Rows", "Rows"]:
        """All rows, in the order of `models.splits.SIDES`."""
        return self.train, self.validation, self.test

    def blocks(self) -> Iterator[tuple[int, Columns, NDArray[np.float64]]]:
        """The rows of all sides once, raw, and which side each block is of. In the order of each
        side they come as in its `columns`."""
        parquet, chosen = self.train.parquet, [rows.chosen for rows in self.sides]
        end = 0
        for columns, targets in read(parquet, self.schema):
            start, end = end, end + len(targets)
            for side, every in enumerate(chosen):
                which = every[start:end]
                if which.any():
                    some = {name: values[which] for name, values in columns.items()}
                    yield side, some, targets[which]


class Rows:
    """The rows of one side: encoded, for training; and raw, as a client would send them."""

    def __init__(
        self, parquet: Parquet, schema: TableSchema, chosen: NDArray[np.bool_], pieces: Pieces
    ) -> None:
        self.rows = int(np.count_nonzero(chosen))
        self.parquet, self.chosen = parquet, chosen
        self._schema = schema
        self._first: dict[int, tuple[Columns, NDArray[np.float64]]] = {}
        self._pieces = pieces

    def blocks(self, size: int, shuffled: np.random.Generator | None = None) -> Iterator[Encoded]:
        """All rows once, in blocks of `size` rows; the last one may be shorter.

        With a generator their order is drawn anew: that of the pieces, if not all are in memory,
        and that of the rows in each. Without, it is always the same. The next piece is read while
        one is in use.
        """
        return self._blocks(self._pieces, size, shuffled)

    def sample(self, rows: int) -> Encoded:
        """At most so many, from anywhere: those that were strewn are in such an order already."""
        if not isinstance(self._pieces, Elsewhere):
            return next(self.blocks(rows))
        columns, targets = self.first(rows)
        return self._pieces.encode(columns, targets)

    def apart(self) -> Sequence[Blocks]:
        """The same rows in an order that nothing changes, by what can be read by itself."""
        return [partial(self._blocks, pieces) for pieces in self._pieces.apart()]

    def _blocks(
        self, of: Pieces, size: int, shuffled: np.random.Generator | None = None
    ) -> Iterator[Encoded]:
        pieces: list[Records] = []
        room = size
        for records in ahead(of.in_turn(shuffled)):
            order = None if shuffled is None else shuffled.permutation(len(records))
            start = 0
            while start < len(records):
                part = slice(start, start + room)
                pieces.append(records[part] if order is None else records.take(order[part]))
                room -= len(pieces[-1])
                start += len(pieces[-1])
                if not room:
                    yield encoded_of(pieces)
                    pieces, room = [], size
        if pieces:
            yield encoded_of(pieces)

    def columns(self) -> Iterator[tuple[Columns, NDArray[np.float64]]]:
        """All rows once, raw, some at a time; targets in the table's unit."""
        return read(self.parquet, self._schema, self.chosen)

    def targets(self) -> Iterator[NDArray[np.float64]]:
        """The targets of all rows alone, in the order of `columns`."""
        bare = self._schema.model_copy(update={"features": ()})
        return (targets for _, targets in read(self.parquet, bare, self.chosen))

    def first(self, n: int) -> tuple[Columns, NDArray[np.float64]]:
        """At most `n` of the rows, raw, as far from each other as possible, and their targets.

        They are kept: to find them, the whole table is read.
        """
        if n not in self._first:
            self._first[n] = self._read_first(n)
        return self._first[n]

    def _read_first(self, n: int) -> tuple[Columns, NDArray[np.float64]]:
        rows = np.flatnonzero(self.chosen)
        n = min(n, self.rows)
        few = np.zeros_like(self.chosen)
        few[rows[np.arange(n) * self.rows // n]] = True
        columns, targets = zip(*read(self.parquet, self._schema, few), strict=True)
        return joined(columns), np.concatenate(targets)


def prepare(
    parquet: Parquet,
    schema: TableSchema,
    dataset: TableDataset,
    folder: Path,
    memory_bytes: int,
    dtype: str = "float32",
    most_values: int = 0,
) -> Table:
    """Splits the rows, fits the preprocessing on the training rows, and encodes all of them.

    Args:
        folder: Where encoded rows are kept, unless all of them fit in memory; or the table is
            elsewhere: then they are read and encoded anew each time.
        memory_bytes: That much memory at most is for encoded rows, now and later, as long as a
            block is at most a quarter of it. One batch of raw rows, the vocabularies, and a few
            bytes for each row of the table come on top.
        dtype: Of encoded numbers and targets.
        most_values: See `models.preprocessing.fit`.

    Raises:
        Unsuitable: The table cannot be trained on like this; the text says why.
    """
    side = sides(parquet, schema, dataset)
    chosen = [side == which for which in range(len(SIDES))]
    preprocessing = fit(read(parquet, schema, chosen[TRAIN]), schema, most_values)
    record = record_of(preprocessing, dtype)
    fits = len(side) * record.itemsize <= memory_bytes
    # One piece is in use and the next one is read ahead; a block may hold on to another one.
    most = len(side) if fits else max(1, memory_bytes // 4 // record.itemsize)
    pieces: list[Pieces]
    if parquet.is_elsewhere and not fits:
        groups = range(len(parquet.groups))
        pieces = [
            Elsewhere(parquet, schema, its, preprocessing, record, most, groups) for its in chosen
        ]
    else:
        known = side != NOWHERE
        counts = np.bincount(side[known])
        encoded = (
            encode(columns, targets, preprocessing, dtype)
            for columns, targets in read(parquet, schema, known)
        )
        rows = _with_sides(encoded, side[known])
        if fits:
            pieces = [Buckets([its], record) for its in in_memory(rows, counts, record)]
        else:
            draw = np.random.default_rng(dataset.split_seed)
            files = strewn(rows, -(-counts // most), draw, record, folder)
            pieces = [Buckets(its, record) for its in files]
    train, validation, test = (
        Rows(parquet, schema, which, its) for which, its in zip(chosen, pieces, strict=True)
    )
    digest = parquet.digest()
    digest.update(side.data)
    return Table(schema, preprocessing, train, validation, test, digest.hexdigest())


def _with_sides(
    blocks: Iterator[Encoded], side: NDArray[np.uint8]
) -> Iterator[tuple[NDArray[np.uint8], Encoded]]:
    end = 0
    for block in blocks:
        start, end = end, end + len(block.targets)
        yield side[start:end], block
