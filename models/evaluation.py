"""How wrong predictions are, and how wrong the mean predictor is on the same rows."""

from collections.abc import Callable, Iterable
from functools import partial
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.columns import Columns
from models.data import Array, Dataset, Split
from models.preprocessing import Moments
from models.schema import Task
from models.splits import SIDES, Unsuitable
from models.table import Rows, Table

Pairs = Iterable[tuple[NDArray[Any], Array]]
"""Predictions and targets of some rows, both `(rows,)`."""

BLOCK_ROWS = 65_536
"""Rows predicted at a time, so that memory stays bounded whatever the size of the split."""


class Scores(NamedTuple):
    """Errors over whole splits. RMSE is the square root of MSE, the mean squared error."""

    train_rmse: float
    eval_rmse: float
    train_mse: float
    eval_mse: float


def mean_squared_error(predictions: Array, targets: Array) -> float:
    """The mean of the squared differences, in float64; both arguments `(rows,)`."""
    return float(np.mean((targets - predictions) ** 2))


def in_blocks(predict: Callable[[Array], Array], features: Array) -> Array:
    """Calls `predict` on blocks of `features` `(rows, 3)`; returns all predictions `(rows,)`."""
    predictions = np.empty(len(features))
    for start in range(0, len(features), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        predictions[block] = predict(features[block])
    return predictions


def error_on(split: Split, predict: Callable[[Array], Array]) -> float:
    """The mean squared error of `predict`, a function of features `(rows, 3)`, on one split."""
    return mean_squared_error(in_blocks(predict, split.features), split.targets)


def evaluate(predict: Callable[[Array], Array], dataset: Dataset) -> Scores:
    """Scores `predict`, a function of features `(rows, 3)`, on both splits."""
    train, held_out = (error_on(split, predict) for split in (dataset.train, dataset.eval))
    return Scores(float(np.sqrt(train)), float(np.sqrt(held_out)), train, held_out)


def mean_predictor(dataset: Dataset) -> Scores:
    """Scores the predictor that answers the mean of the training targets to everything."""
    mean = np.mean(dataset.train.targets)
    return evaluate(lambda features: np.full(len(features), mean), dataset)


def scores(
    task: Task, predict: Callable[[Columns], NDArray[Any]], table: Table
) -> dict[str, float]:
    """Scores `predict`, a function of raw rows whose result is `(rows,)`, on each side of a table.

    Returns:
        `train_…`, `validation_…` and `test_…`. Of a regression: `rmse` and `mae` in the target's
        unit, and `r2`. Of a binary target, where predictions are probabilities of its positive
        class: `log_loss`, `auc`, and `accuracy` at 0.5. A side on which `r2` or `auc` says
        nothing, since all its targets are equal, lacks it.

    Raises:
        Unsuitable: A prediction is not finite.
    """
    return _on_each_side(task, partial(_pairs, predict), table)


def validation_error(predict: Callable[[Columns], NDArray[Any]], table: Table) -> float:
    """The error on the validation rows by which versions are chosen: RMSE, or log loss."""
    pairs = _pairs(predict, table.validation)
    if table.schema.task == "regression":
        return _regression(pairs)["rmse"]
    return _binary(pairs)["log_loss"]


def mean_baseline(table: Table) -> dict[str, float]:
    """Scores the predictor that answers the mean of the training targets to everything.

    Of a binary target that is the share of the positive class.
    """
    of_train = Moments()
    for targets in table.train.targets():
        of_train.add(targets)

    def pairs(rows: Rows) -> Pairs:
        return ((np.full(len(targets), of_train.mean), targets) for targets in rows.targets())

    return _on_each_side(table.schema.task, pairs, table)


def _pairs(predict: Callable[[Columns], NDArray[Any]], rows: Rows) -> Pairs:
    return ((predict(columns), targets) for columns, targets in rows.columns(BLOCK_ROWS))


def _on_each_side(task: Task, pairs: Callable[[Rows], Pairs], table: Table) -> dict[str, float]:
    of_task = _regression if task == "regression" else _binary
    return {
        f"{side}_{name}": value
        for side, rows in zip(SIDES, (table.train, table.validation, table.test), strict=True)
        for name, value in of_task(_finite(side, pairs(rows))).items()
    }


def _finite(side: str, pairs: Pairs) -> Pairs:
    for predictions, targets in pairs:
        if not np.isfinite(predictions).all():
            raise Unsuitable(
                f"the predictions of the {side} rows are not all finite; "
                "a number in them may lie too far from all others of its column"
            )
        yield predictions, targets


def _regression(pairs: Pairs) -> dict[str, float]:
    of_targets = Moments()
    squares = distances = 0.0
    for predictions, targets in pairs:
        errors = targets - predictions
        squares += float(np.square(errors).sum())
        distances += float(np.abs(errors).sum())
        of_targets.add(targets)
    rows = of_targets.count
    result = {"rmse": sqrt(squares / rows), "mae": distances / rows}
    if of_targets.least < of_targets.greatest:
        result["r2"] = 1 - squares / of_targets.squares
    return result


def _binary(pairs: Pairs) -> dict[str, float]:
    loss, right = 0.0, 0
    by_class: tuple[list[NDArray[Any]], list[NDArray[Any]]] = [], []
    for predictions, targets in pairs:
        positive = targets == 1
        exact = predictions.astype(np.float64)
        # A sure prediction that is wrong costs much, and not infinitely much.
        least = np.finfo(predictions.dtype).eps
        loss -= float(np.log(np.maximum(np.where(positive, exact, 1 - exact), least)).sum())
        right += int(np.count_nonzero((predictions > 0.5) == positive))
        for parts, of_class in zip(by_class, (~positive, positive), strict=True):
            parts.append(predictions[of_class])
    negatives, positives = (np.sort(np.concatenate(parts)) for parts in by_class)
    rows = len(negatives) + len(positives)
    result = {"log_loss": loss / rows, "accuracy": right / rows}
    if len(negatives) and len(positives):
        result["auc"] = _area(negatives, positives)
    return result


def _area(negatives: NDArray[Any], positives: NDArray[Any]) -> float:
    """How often a positive row has the greater prediction than a negative one; a tie is half.

    Both `(rows,)` in ascending order. This is the area under the ROC curve.
    """
    won = sum(
        int(np.searchsorted(negatives, positives, which).sum()) for which in ("left", "right")
    )
    return won / (2 * len(negatives) * len(positives))
