"""One side measured: its scores, its losses by group, and its calibration."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.data import Array
from models.losses import GroupSums, Losses, log_losses, reported, squared_errors
from models.preprocessing import Moments
from models.schema import Task


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


class Measure(Protocol):
    """Measures a side, whose rows come in blocks."""

    keeps_predictions: ClassVar[bool]
    """Whether it holds on to each of them."""

    def __init__(self, rows: int) -> None:
        """Of a side of so many rows."""

    def add(self, predictions: NDArray[Any], targets: Array) -> None:
        """Takes the next rows into account, both `(rows,)`."""

    def result(self) -> Measured:
        """What there is to say, once all rows have come."""


class OfRegression(Measure):
    """`rmse`, `mae`, and `r2` unless all targets are equal."""

    keeps_predictions = False

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._of_targets, self._losses = Moments(), GroupSums(rows)
        self._distances = 0.0

    def add(self, predictions: NDArray[Any], targets: Array) -> None:
        self._losses.add(squared_errors(predictions, targets))
        self._distances += float(np.abs(targets - predictions).sum())
        self._of_targets.add(targets)

    def result(self) -> Measured:
        squares, of_targets = float(self._losses.sums.sum()), self._of_targets
        scores = {
            "rmse": reported(squares / self._rows, "regression"),
            "mae": self._distances / self._rows,
        }
        if of_targets.least < of_targets.greatest:
            scores["r2"] = 1 - squares / of_targets.squares
        return Measured(scores, self._losses.sums, [])


class OfBinary(Measure):
    """Of probabilities of the positive class: `log_loss`, `accuracy` at 0.5, `brier`, the mean
    squared error of the probabilities, and `auc` unless all targets are equal."""

    keeps_predictions = True

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._losses, self._right, self._brier = GroupSums(rows), 0, 0.0
        self._by_class: tuple[list[NDArray[Any]], list[NDArray[Any]]] = [], []
        self._tenths = np.zeros((3, 10))  # sums of predictions and of targets, and rows

    def add(self, predictions: NDArray[Any], targets: Array) -> None:
        positive = targets == 1
        exact = predictions.astype(np.float64)
        self._losses.add(log_losses(predictions, targets))
        self._right += int(np.count_nonzero((predictions > 0.5) == positive))
        self._brier += float(squared_errors(exact, targets).sum())
        which = np.clip(10 * exact, 0, 9).astype(np.intp)
        sums = [np.bincount(which, of, 10) for of in (exact, targets, np.ones(len(targets)))]
        self._tenths += sums
        for parts, of_class in zip(self._by_class, (~positive, positive), strict=True):
            parts.append(predictions[of_class])

    def result(self) -> Measured:
        rows = self._rows
        negatives, positives = (np.sort(np.concatenate(parts)) for parts in self._by_class)
        scores = {
            "log_loss": float(self._losses.sums.sum()) / rows,
            "accuracy": self._right / rows,
            "brier": self._brier / rows,
        }
        if len(negatives) and len(positives):
            scores["auc"] = _area(negatives, positives)
        calibration = [
            Tenth(float(predicted / count), float(observed / count), int(count))
            for predicted, observed, count in self._tenths.T
            if count
        ]
        return Measured(scores, self._losses.sums, calibration)


OF_TASK: Mapping[Task, type[Measure]] = {"regression": OfRegression, "binary": OfBinary}


def _area(negatives: NDArray[Any], positives: NDArray[Any]) -> float:
    """How often a positive row has the greater prediction than a negative one; a tie is half.

    Both `(rows,)` in ascending order. This is the area under the ROC curve.
    """
    won = sum(
        int(np.searchsorted(negatives, positives, which).sum()) for which in ("left", "right")
    )
    return won / (2 * len(negatives) * len(positives))
