"""Where the rows of a table are: Parquet, on this machine or elsewhere."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow.parquet as pq

BATCH_ROWS, BATCH_CELLS = 65_536, 2**20
"""Read at a time, whatever the size of a row group: memory stays bounded."""


class Parquet(Protocol):
    """The rows of a table, of which columns are read in the order of the rows."""

    @property
    def groups(self) -> Sequence[int]:
        """How many rows are in each group that can be read by itself, in their order."""

    def start(self, group: int) -> int:
        """How many rows come before a group."""

    @property
    def is_elsewhere(self) -> bool:
        """Whether no copy may be made of it on this machine's disk."""

    def batches(self, names: Sequence[str], group: int) -> Iterator[Any]:
        """The columns of these names of a group, as Arrow's record batches.

        Numbers and booleans are float64, words are texts, the target is as the schema has it.
        """

    def digest(self) -> "hashlib._Hash":
        """The SHA-256 of what no other rows have, to go on with."""


class OneFile(NamedTuple):
    """A file of ours on this machine, which is read in one go."""

    path: Path
    is_elsewhere: bool = False

    @property
    def groups(self) -> Sequence[int]:
        """One."""
        return [pq.read_metadata(self.path).num_rows]

    def start(self, group: int) -> int:
        """None come before."""
        return 0

    def batches(self, names: Sequence[str], group: int = 0) -> Iterator[Any]:
        """All of it."""
        # As little as possible is read ahead; by default whole row groups are, and kept.
        with pq.ParquetFile(self.path, pre_buffer=False, buffer_size=2**16) as file:
            yield from file.iter_batches(batch_rows(names), columns=names)

    def digest(self) -> "hashlib._Hash":
        """Of its bytes."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256")


def batches(parquet: Parquet, names: Sequence[str]) -> Iterator[Any]:
    """Columns of all rows in their order, as Arrow's record batches."""
    for group in range(len(parquet.groups)):
        yield from parquet.batches(names, group)


def batch_rows(names: Sequence[str]) -> int:
    """How many rows of these columns are read at a time."""
    return max(1, min(BATCH_ROWS, BATCH_CELLS // len(names)))
