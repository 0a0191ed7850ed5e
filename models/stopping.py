"""Which epoch of a training was the best on the validation rows, and when to wait no longer."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

DIVERGED = float(np.finfo(np.float64).max)
"""The loss of a start that diverged beside others that did not."""


class Course(NamedTuple):
    """The losses of one start, epoch after epoch, and its best epoch, counted from 1."""

    losses: list[float]
    """Infinite and undefined ones are `DIVERGED`."""
    validation_losses: list[float]
    best_epoch: int
    """0 if no epoch had a finite validation loss."""


class BestEpochs:
    """Keeps the best weights of several starts, and ends each of them for itself.

    A start has ended after `patience` epochs without a smaller validation loss; what comes later
    does not count any more. Without patience none ends.
    """

    def __init__(self, weights: Sequence[NDArray[Any]], patience: int | None) -> None:
        """`weights` are those before the first epoch, `(starts, …)` each."""
        self.weights = [part.copy() for part in weights]
        starts = len(weights[0])
        self.best = np.full(starts, np.inf)
        self.best_epochs = np.zeros(starts, int)
        self.lengths = np.zeros(starts, int)
        self.running = np.ones(starts, bool)
        self._patience = np.inf if patience is None else patience
        self._history: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def add(
        self,
        losses: NDArray[Any],
        validation_losses: NDArray[Any],
        weights: Sequence[NDArray[Any]],
    ) -> None:
        """Takes an epoch into account: both losses `(starts,)` and the weights behind it."""
        self._history.append((losses, validation_losses))
        self.lengths[self.running] += 1
        better = self.running & (validation_losses < self.best)
        self.best[better] = validation_losses[better]
        self.best_epochs[better] = len(self._history)
        for best, now in zip(self.weights, weights, strict=True):
            best[better] = now[better]
        self.running &= len(self._history) - self.best_epochs < self._patience

    def courses(self) -> list[Course]:
        """How it went, of each start, until it ended."""
        history = np.nan_to_num(np.array(self._history, np.float64), nan=DIVERGED)
        losses, validation_losses = np.moveaxis(history, 0, -1)
        return [
            Course(losses[i, :end].tolist(), validation_losses[i, :end].tolist(), int(best))
            for i, (end, best) in enumerate(zip(self.lengths, self.best_epochs, strict=True))
        ]
