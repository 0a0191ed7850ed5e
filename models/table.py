"""A table's rows as a trainer takes them: split, encoded, shuffled, from memory or from disk."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.columns import Columns, joined, read
from models.config import TableDataset
from models.preprocessing import Encoded, Preprocessing, encode, fit
from models.schema import TableSchema
from models.splits import SIDES, TRAIN, sides

Records = NDArray[Any]
"""Encoded rows `(rows,)` with the fields of `Encoded`, each row in one piece."""


class Table(NamedTuple):
    """A revision of a table, ready to be trained on."""

    schema: TableSchema
    preprocessing: Preprocessing
    train: "Rows"
    validation: "Rows"
    test: "Rows"
    fingerprint: str
    """SHA-256 of the revision's rows and of each row's side."""


class Rows:
    """The rows of one side: encoded, for training; and raw, as a client would send them."""

    def __init__(
        self,
        parquet: Path,
        schema: TableSchema,
        chosen: NDArray[np.bool_],
        buckets: Sequence[Path | Records],
        record: np.dtype[np.void],
    ) -> None:
        self.rows = int(np.count_nonzero(chosen))
        self._parquet, self._schema, self._chosen = parquet, schema, chosen
        self._buckets, self._record = buckets, record

    def blocks(self, size: int, shuffled: np.random.Generator | None = None) -> Iterator[Encoded]:
        """All rows once, in blocks of `size` rows; the last one may be shorter.

        With a generator their order is drawn anew: on disk, that of the buckets, over which rows
        were strewn at random, and that of the rows in each. Without, it is always the same.
        """
        pieces: list[Records] = []
        room = size
        for records in self._in_turn(shuffled):
            order = None if shuffled is None else shuffled.permutation(len(records))
            start = 0
            while start < len(records):
                part = slice(start, start + room)
                pieces.append(records[part] if order is None else records.take(order[part]))
                room -= len(pieces[-1])
                start += len(pieces[-1])
                if not room:
                    yield _encoded(pieces)
                    pieces, room = [], size
        if pieces:
            yield _encoded(pieces)

    def columns(self, size: int) -> Iterator[tuple[Columns, NDArray[np.float64]]]:
        """All rows once, raw, in blocks of at most `size` rows; targets in the table's unit."""
        for columns, targets in read(self._parquet, self._schema, self._chosen):
            for start in range(0, len(targets), size):
                part = slice(start, start + size)
                yield {name: values[part] for name, values in columns.items()}, targets[part]

    def targets(self) -> Iterator[NDArray[np.float64]]:
        """The targets of all rows alone, in the order of `columns`."""
        bare = self._schema.model_copy(update={"features": ()})
        return (targets for _, targets in read(self._parquet, bare, self._chosen))

    def first(self, n: int) -> tuple[Columns, NDArray[np.float64]]:
        """At most `n` of the rows, raw, as far from each other as possible, and their targets."""
        rows = np.flatnonzero(self._chosen)
        n = min(n, self.rows)
        few = np.zeros_like(self._chosen)
        few[rows[np.arange(n) * self.rows // n]] = True
        columns, targets = zip(*read(self._parquet, self._schema, few), strict=True)
        return joined(columns), np.concatenate(targets)

    def _in_turn(self, shuffled: np.random.Generator | None) -> Iterator[Records]:
        """The buckets; the next one is read from disk while one is in use."""
        turn = (
            range(len(self._buckets))
            if shuffled is None
            else shuffled.permutation(len(self._buckets))
        )
        with ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(self._load, turn[0])
            for following in [*turn[1:], None]:
                records = ahead.result()
                if following is not None:
                    ahead = reader.submit(self._load, following)
                yield records

    def _load(self, index: int) -> Records:
        bucket = self._buckets[index]
        return np.fromfile(bucket, self._record) if isinstance(bucket, Path) else bucket


def prepare(
    parquet: Path,
    schema: TableSchema,
    dataset: TableDataset,
    folder: Path,
    memory_bytes: int,
    dtype: str = "float32",
) -> Table:
    """Splits the rows, fits the preprocessing on the training rows, and encodes all of them.

    Args:
        folder: Where encoded rows are kept, unless all of them fit in memory.
        memory_bytes: That much memory at most is for encoded rows, now and later, as long as a
            block is at most a quarter of it. One batch of raw rows, the vocabularies, and a few
            bytes for each row of the table come on top.
        dtype: Of encoded numbers and targets.

    Raises:
        Unsuitable: The table cannot be trained on like this; the text says why.
    """
    side = sides(parquet, schema, dataset)
    chosen = [side == which for which in range(len(SIDES))]
    preprocessing = fit(read(parquet, schema, chosen[TRAIN]), schema)
    record = np.dtype(
        [
            ("numbers", dtype, (preprocessing.numeric_width,)),
            ("codes", np.int32, (len(preprocessing.words),)),
            ("targets", dtype),
        ],
        align=True,
    )
    fits = len(side) * record.itemsize <= memory_bytes
    # One bucket is in use and the next one is read ahead; a block may hold on to another one.
    bucket_rows = len(side) if fits else max(1, memory_bytes // 4 // record.itemsize)
    how_many = -(-np.bincount(side) // bucket_rows)  # of each side; rounded up
    firsts = np.cumsum(how_many) - how_many
    files = [folder / f"{index}.rows" for index in range(how_many.sum())]
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        file.write_bytes(b"")
    draw = np.random.default_rng(dataset.split_seed)
    end = 0
    for columns, targets in read(parquet, schema):
        start, end = end, end + len(targets)
        of_row = side[start:end]
        bucket = firsts[of_row] + draw.integers(how_many[of_row])
        _append(files, bucket, _records(encode(columns, targets, preprocessing, dtype), record))
    buckets: list[Path | Records] = [*files]
    if fits:
        buckets = [np.fromfile(file, record) for file in files]
        for file in files:
            file.unlink()
    train, validation, test = (
        Rows(parquet, schema, mask, buckets[first : first + count], record)
        for mask, first, count in zip(chosen, firsts, how_many, strict=True)
    )
    fingerprint = _fingerprint(parquet, side)
    return Table(schema, preprocessing, train, validation, test, fingerprint)


def _append(files: Sequence[Path], bucket: NDArray[np.integer], records: Records) -> None:
    """Adds each record to the end of its bucket's file."""
    ends = np.cumsum(np.bincount(bucket, minlength=len(files)))
    in_order = records.take(np.argsort(bucket, kind="stable"))
    for path, part in zip(files, np.split(in_order, ends[:-1]), strict=True):
        if len(part):
            with path.open("ab") as file:
                part.tofile(file)


def _records(encoded: Encoded, record: np.dtype[np.void]) -> Records:
    records = np.zeros(len(encoded.targets), record)
    for field, values in encoded._asdict().items():
        records[field] = values.T
    return records


def _encoded(pieces: Sequence[Records]) -> Encoded:
    records = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    return Encoded(*(np.ascontiguousarray(records[field].T) for field in Encoded._fields))


def _fingerprint(parquet: Path, side: NDArray[np.uint8]) -> str:
    with parquet.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(side.data)
    return digest.hexdigest()
