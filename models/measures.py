"""One side measured: its scores, its losses by group, and its calibration, in one pass."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.data import Array
from models.losses import GroupSums, Losses, log_losses, reported, squared_errors
from models.preprocessing import Moments
from models.schema import Task

Pairs = Iterable[tuple[NDArray[Any], Array]]
"""Predictions and targets of some rows, both `(rows,)`."""


class Tenth(NamedTuple):
    """Rows whose predicted probability is in the same tenth of [0, 1]."""

    predicted: float
    """The mean of their predicted probabilities."""
    observed: float
    """The share of them that is positive."""
    rows: int


class Measured(NamedTuple):
    """What there is to say of one side."""

    scores: dict[str, float]
    losses: Losses
    """Their sums by group, `(groups,)`."""
    calibration: list[Tenth]
    """Of a binary target: the tenths that have rows, in ascending order."""


def of_regression(pairs: Pairs, rows: int) -> Measured:
    """Measures a side of so many rows: `rmse`, `mae`, and `r2` unless all targets are equal."""
    of_targets, losses = Moments(), GroupSums(rows)
    distances = 0.0
    for predictions, targets in pairs:
        losses.add(squared_errors(predictions, targets))
        distances += float(np.abs(targets - predictions).sum())
        of_targets.add(targets)
    squares = float(losses.sums.sum())
    scores = {"rmse": reported(squares / rows, "regression"), "mae": distances / rows}
    if of_targets.least < of_targets.greatest:
        scores["r2"] = 1 - squares / of_targets.squares
    return Measured(scores, losses.sums, [])


def of_binary(pairs: Pairs, rows: int) -> Measured:
    """Measures a side of so many rows, of which probabilities of the positive class are said.

    The scores are `log_loss`, `accuracy` at 0.5, `brier`, the mean squared error of the
    probabilities, and `auc` unless all targets are equal.
    """
    losses, right, brier = GroupSums(rows), 0, 0.0
    by_class: tuple[list[NDArray[Any]], list[NDArray[Any]]] = [], []
    tenths = np.zeros((3, 10))  # sums of predictions and of targets, and rows
    for predictions, targets in pairs:
        positive = targets == 1
        exact = predictions.astype(np.float64)
        losses.add(log_losses(predictions, targets))
        right += int(np.count_nonzero((predictions > 0.5) == positive))
        brier += float(squared_errors(exact, targets).sum())
        which = np.clip(10 * exact, 0, 9).astype(np.intp)
        tenths += [np.bincount(which, of, 10) for of in (exact, targets, np.ones(len(targets)))]
        for parts, of_class in zip(by_class, (~positive, positive), strict=True):
            parts.append(predictions[of_class])
    negatives, positives = (np.sort(np.concatenate(parts)) for parts in by_class)
    mean = float(losses.sums.sum()) / rows
    scores = {"log_loss": mean, "accuracy": right / rows, "brier": brier / rows}
    if len(negatives) and len(positives):
        scores["auc"] = _area(negatives, positives)
    calibration = [
        Tenth(float(predicted / count), float(observed / count), int(count))
        for predicted, observed, count in tenths.T
        if count
    ]
    return Measured(scores, losses.sums, calibration)


OF_TASK: Mapping[Task, Callable[[Pairs, int], Measured]] = {
    "regression": of_regression,
    "binary": of_binary,
}


def _area(negatives: NDArray[Any], positives: NDArray[Any]) -> float:
    """How often a positive row has the greater prediction than a negative one; a tie is half.

    Both `(rows,)` in ascending order. This is the area under the ROC curve.
    """
    won = sum(
        int(np.searchsorted(negatives, positives, which).sum()) for which in ("left", "right")
    )
    return won / (2 * len(negatives) * len(positives))
