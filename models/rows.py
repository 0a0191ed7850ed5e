"""Encoded rows as trainers take them: block after block, whether they are in memory or not."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.preprocessing import Encoded, Preprocessing

Blocks = Callable[[int], Iterator[Encoded]]
"""Rows in blocks of a size, the last one shorter."""


class Rows(Protocol):
    """Encoded rows of a table."""

    @property
    def rows(self) -> int:
        """How many there are."""

    def blocks(self, size: int, shuffled: np.random.Generator | None = None) -> Iterator[Encoded]:
        """All of them in blocks of `size` rows, the last one shorter; in a new order if drawn."""

    def apart(self) -> Sequence[Blocks]:
        """All of them in an order that nothing changes, by what can be read by itself."""

    def sample(self, rows: int) -> Encoded:
        """At most so many of them, from anywhere."""


class Sides(Protocol):
    """What is trained on of a table, `models.table.Table`."""

    @property
    def preprocessing(self) -> Preprocessing:
        """How its rows were encoded."""

    @property
    def train(self) -> Rows:
        """Rows to learn from."""

    @property
    def validation(self) -> Rows:
        """Rows that choose."""


class InMemory(NamedTuple):
    """Rows that are all in memory."""

    encoded: Encoded

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.encoded.targets)

    def blocks(self, size: int, shuffled: np.random.Generator | None = None) -> Iterator[Encoded]:
        """All of them in blocks of `size` rows, the last one shorter; in a new order if drawn."""
        order = None if shuffled is None else shuffled.permutation(self.rows)
        for start in range(0, self.rows, size):
            part = slice(start, start + size)
            chosen = part if order is None else order[part]
            numbers, codes, targets = self.encoded
            yield Encoded(numbers[:, chosen], codes[:, chosen], targets[chosen])

    def sample(self, rows: int) -> Encoded:
        """The first ones."""
        return next(self.blocks(rows))

    def apart(self) -> Sequence[Blocks]:
        """All at once."""
        return [self.blocks]


def of_numbers(features: NDArray[np.float64], targets: NDArray[np.float64]) -> Encoded:
    """Rows of nothing but numbers `(rows, numbers)`, which are taken as they are."""
    return Encoded(features.T, np.empty((0, len(targets)), np.int32), targets)
