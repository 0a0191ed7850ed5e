"""How wrong predictions are, and how wrong the mean predictor is on the same rows."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.columns import Columns
from models.data import Array, Dataset, Split
from models.losses import LOSS_OF, GroupSums, Losses, squared_errors
from models.measures import OF_TASK, Measured, Tenth
from models.preprocessing import Moments
from models.splits import SIDES, TEST, VALIDATION, Unsuitable
from models.table import Table

KEPT = 2**26
"""Predictions that are kept at a time."""

BLOCK_ROWS = 65_536
"""Rows predicted at a time, so that memory stays bounded whatever the size of the split."""


Predict = Callable[[Columns], NDArray[Any]]
"""From raw rows of a table to predictions `(rows,)`."""


class Evaluation(NamedTuple):
    """All that is measured of what predicts."""

    scores: dict[str, float]
    """Of all sides, by side and name, such as `test_rmse`."""
    losses: dict[str, Losses]
    """Of each side that is held out, the sums of the losses by group, `(groups,)`: of squared
    errors, or of log losses. `models.losses.group_counts` says how many rows are in each."""
    calibration: list[Tenth]
    """Of a binary target, on the test rows."""


def in_blocks(predict: Callable[[Array], Array], features: Array) -> Array:
    """Calls `predict` on blocks of `features` `(rows, 3)`; returns all predictions `(rows,)`."""
    predictions = np.empty(len(features))
    for start in range(0, len(features), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        predictions[block] = predict(features[block])
    return predictions


def evaluate(predict: Callable[[Array], Array], dataset: Dataset) -> Evaluation:
    """Evaluates `predict`, a function of features `(rows, 3)`, on both splits of the triples.

    Returns:
        `train_…` and `eval_…` of `mse`, the mean squared error, and of its square root `rmse`.
        The losses are of `eval`.
    """
    train = float(np.mean(_errors(predict, dataset.train)))
    errors = _errors(predict, dataset.eval)
    held_out = float(np.mean(errors))
    scores = {
        "train_rmse": float(np.sqrt(train)),
        "eval_rmse": float(np.sqrt(held_out)),
        "train_mse": train,
        "eval_mse": held_out,
    }
    return Evaluation(scores, {"eval": _by_group(errors)}, [])


def mean_of_triples(dataset: Dataset) -> Callable[[Array], Array]:
    """What answers the mean of the training targets of the triples to everything."""
    mean = np.mean(dataset.train.targets)
    return lambda features: np.full(len(features), mean)


def eval_losses(predict: Callable[[Array], Array], dataset: Dataset) -> Losses:
    """The losses of `eval` alone, by which versions are chosen, as `evaluate` has them."""
    return _by_group(_errors(predict, dataset.eval))


def _errors(predict: Callable[[Array], Array], split: Split) -> Losses:
    return squared_errors(in_blocks(predict, split.features), split.targets)


def _by_group(errors: Losses) -> Losses:
    groups = GroupSums(len(errors))
    groups.add(errors)
    return groups.sums


def evaluate_table(predicts: Sequence[Predict], table: Table) -> list[Evaluation]:
    """Evaluates each of some functions of raw rows, whose results are `(rows,)`, on each side.

    The table is read once for all of them; or now and then, if what is to be kept of each row's
    prediction would be too much.

    Returns:
        `train_…`, `validation_…` and `test_…`. Of a regression: `rmse` and `mae` in the target's
        unit, and `r2`. Of a binary target, where predictions are probabilities of its positive
        class: `log_loss`, `brier`, `auc`, and `accuracy` at 0.5. A side on which `r2` or `auc`
        says nothing, since all its targets are equal, lacks it. The losses are of `validation`
        and `test`.

    Raises:
        Unsuitable: A prediction is not finite.
    """
    measure = OF_TASK[table.schema.task]
    rows = sum(rows.rows for rows in table.sides)
    if measure.keeps_predictions and len(predicts) > (most := max(1, KEPT // rows)):
        return evaluate_table(predicts[:most], table) + evaluate_table(predicts[most:], table)
    measures = [[measure(rows.rows) for rows in table.sides] for _ in predicts]
    for side, columns, targets in table.blocks():
        for predict, of_sides in zip(predicts, measures, strict=True):
            of_sides[side].add(_finite(predict(columns), side), targets)
    return [_together([measure.result() for measure in of_sides]) for of_sides in measures]


def mean_of(table: Table) -> Predict:
    """What answers the mean of a table's training targets to everything.

    Of a binary target that is the share of the positive class: its accuracy is what the more
    frequent class reaches by itself.
    """
    of_train = Moments()
    for targets in table.train.targets():
        of_train.add(targets)
    return lambda columns: np.full(len(next(iter(columns.values()))), of_train.mean)


def validation_losses(predict: Predict, table: Table) -> Losses:
    """The losses of the validation rows alone, by which versions are chosen.

    They are those that `evaluate_table` has, but for predictions that are not finite: here they
    are no error, since what serves may well say such things of rows it has never seen.
    """
    groups = GroupSums(table.validation.rows)
    for columns, targets in table.validation.columns():
        groups.add(LOSS_OF[table.schema.task](predict(columns), targets))
    return groups.sums


def _together(sides: Sequence[Measured]) -> Evaluation:
    return Evaluation(
        {
            f"{side}_{name}": value
            for side, measured in zip(SIDES, sides, strict=True)
            for name, value in measured.scores.items()
        },
        {SIDES[side]: sides[side].losses for side in (VALIDATION, TEST)},
        sides[TEST].calibration,
    )


def _finite(predictions: NDArray[Any], side: int) -> NDArray[Any]:
    if not np.isfinite(predictions).all():
        raise Unsuitable(
            f"the predictions of the {SIDES[side]} rows are not all finite; "
            "a number in them may lie too far from all others of its column"
        )
    return predictions
