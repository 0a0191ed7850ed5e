"""How the losses of starts go: what each epoch says of them, and its history, thinned.

A bucket of epochs keeps its least and its greatest loss, so no spike is lost; when there are too
many buckets, neighbours become one.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.stopping import DIVERGED

POINTS = 200
"""So many buckets at most. It is even: two halves make a whole."""


class Born(NamedTuple):
    """A start: to which repeat it belongs, from 1, and the seed of its weights."""

    repeat: int
    seed: int


class Step(NamedTuple):
    """What an epoch, or an evaluation, says of starts that are trained side by side."""

    number: int
    of: int
    """How many there may be until the network is trained."""
    starts: tuple[Born, ...]
    """The same tuple in all steps of theirs."""
    losses: NDArray[np.floating]
    """All arrays are `(starts,)`."""
    validation_losses: NDArray[np.floating] | None = None
    learning: NDArray[np.bool_] | None = None
    """Whether a gradient reached the first layer; None where it is not known."""
    running: NDArray[np.bool_] | None = None
    """Whether the epoch counts: of a start that has ended beside others it does not. None: all."""


OnStep = Callable[[Step], None]


class Thinned(NamedTuple):
    """The history of one start on one side."""

    start: Born
    split: str
    learning: bool
    epochs: int
    width: int
    """Epochs in a bucket; the last one may have fewer."""
    least: NDArray[np.float64]
    """Of each bucket the least finite loss; infinite where none is."""
    greatest: NDArray[np.float64]
    """Infinite where a loss is not finite."""

    def at_most(self, points: int) -> "Thinned":
        """The same history in no more buckets than these."""
        joined = -(-len(self.least) // points)
        if joined <= 1:
            return self
        firsts = range(0, len(self.least), joined)
        return self._replace(
            width=self.width * joined,
            least=np.minimum.reduceat(self.least, firsts),
            greatest=np.maximum.reduceat(self.greatest, firsts),
        )


class Courses:
    """The losses of starts side by side, at most `POINTS` buckets of them."""

    def __init__(self, steps: Sequence[Step]) -> None:
        """Begins with these steps; of more, `add` is told."""
        self.starts = steps[0].starts
        self.splits = ("train",) if steps[0].validation_losses is None else ("train", "validation")
        self.width = 1
        self.epochs = np.zeros(len(self.starts), int)
        self.learning = np.ones(len(self.starts), bool)
        # `(…, 2, splits, starts)`: the least loss, and minus the greatest; of less than a bucket
        # it is the rest.
        self._buckets = np.empty((0, 2, len(self.splits), len(self.starts)))
        self._rest = self._buckets
        self.add(steps)

    def add(self, steps: Sequence[Step]) -> None:
        """Takes the next steps into account, one at least."""
        losses = np.array([step.losses for step in steps], np.float64)[:, np.newaxis]
        if len(self.splits) > 1:
            validation = np.array([step.validation_losses for step in steps], np.float64)
            losses = np.concatenate([losses, validation[:, np.newaxis]], axis=1)
        losses[~(losses < DIVERGED)] = np.inf
        bounds = np.stack([losses, -losses], axis=1)
        if steps[0].running is None:
            self.epochs += len(steps)
        else:
            running = np.array([step.running for step in steps])
            self.epochs += running.sum(axis=0)
            bounds[np.broadcast_to(~running[:, np.newaxis, np.newaxis], bounds.shape)] = np.inf
        if steps[-1].learning is not None:
            self.learning = steps[-1].learning
        self._thin(np.concatenate([self._rest, bounds]))

    def _thin(self, rest: NDArray[np.float64]) -> None:
        while True:
            whole = min(len(rest) // self.width, POINTS - len(self._buckets))
            taken, rest = rest[: whole * self.width], rest[whole * self.width :]
            self._buckets = np.concatenate([self._buckets, _least_of(taken, self.width)])
            if len(self._buckets) < POINTS:
                break
            self._buckets = _least_of(self._buckets, 2)
            self.width *= 2
        self._rest = rest

    def thinned(self) -> list[Thinned]:
        """The history of each start and side."""
        parts = [self._buckets]
        if len(self._rest):
            parts.append(self._rest.min(axis=0, keepdims=True))
        bounds = np.concatenate(parts)
        found = []
        for place, start in enumerate(self.starts):
            epochs, learning = int(self.epochs[place]), bool(self.learning[place])
            for side, split in enumerate(self.splits):
                least, minus_greatest = bounds[: -(-epochs // self.width), :, side, place].T
                course = (epochs, self.width, least, -minus_greatest)
                found.append(Thinned(start, split, learning, *course))
        return found


def _least_of(rows: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """The least of each `width` rows."""
    least: NDArray[np.float64] = rows.reshape(-1, width, *rows.shape[1:]).min(axis=1)
    return least
