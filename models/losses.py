"""What a prediction costs, row by row and in groups of rows, and how a loss is reported."""

from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.schema import Task

Losses = NDArray[np.float64]
"""Squared errors, or log losses: of rows, or summed by group."""

GROUPS = 10_000
"""Of the rows of a side at most, so that their losses take bounded memory: row i is of group
i mod GROUPS. Up to so many rows, each is a group."""


class GroupSums:
    """The losses of a side that come in blocks, summed by group."""

    def __init__(self, rows: int) -> None:
        """Of a side of so many rows."""
        self.sums: Losses = np.zeros(min(rows, GROUPS))
        self._start = 0

    def add(self, losses: Losses) -> None:
        """Takes the losses of the next rows, `(rows,)`."""
        groups = np.arange(self._start, self._start + len(losses)) % len(self.sums)
        self.sums += np.bincount(groups, losses, len(self.sums))
        self._start += len(losses)


def group_counts(rows: int) -> NDArray[np.int64]:
    """How many rows each group of a side of so many rows has: `(groups,)`."""
    groups = min(rows, GROUPS)
    return rows // groups + (np.arange(groups) < rows % groups)


def squared_errors(predictions: NDArray[Any], targets: Losses) -> Losses:
    """The squared error of each row, in float64; infinite beyond. All are `(rows,)`."""
    with np.errstate(over="ignore"):
        errors: Losses = np.square(targets - predictions)
    return errors


def log_losses(predictions: NDArray[Any], targets: Losses) -> Losses:
    """The log loss of each row, of probabilities of the positive class. All are `(rows,)`."""
    exact = predictions.astype(np.float64)
    # A sure prediction that is wrong costs much, and not infinitely much.
    least = np.finfo(predictions.dtype).eps
    losses: Losses = -np.log(np.maximum(np.where(targets == 1, exact, 1 - exact), least))
    return losses


LOSS_OF: Mapping[Task, Callable[[NDArray[Any], Losses], Losses]] = {
    "regression": squared_errors,
    "binary": log_losses,
}


def reported(mean_loss: float, task: Task) -> float:
    """A mean loss in the unit in which it is reported: RMSE, or the mean log loss."""
    return sqrt(mean_loss) if task == "regression" else mean_loss


def error(predictions: NDArray[Any], targets: Losses, task: Task) -> float:
    """The error of predictions as it is reported. Both are `(rows,)`."""
    return reported(float(np.mean(LOSS_OF[task](predictions, targets))), task)


def cross_entropies(log_odds: Losses, targets: Losses) -> Losses:
    """The log loss of each row, of log-odds of the positive class. All are `(rows,)`."""
    losses: Losses = np.logaddexp(0, (1 - 2 * targets) * log_odds)
    return losses
