"""How wrong predictions are, and how wrong the mean predictor is on the same rows."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.columns import Columns
from models.data import Array, Dataset, Split
from models.losses import LOSS_OF, GroupSums, Losses, squared_errors
from models.measures import OF_TASK, Pairs, Tenth
from models.preprocessing import Moments
from models.splits import SIDES, Unsuitable
from models.table import Rows, Table

BLOCK_ROWS = 65_536
"""Rows predicted at a time, so that memory stays bounded whatever the size of the split."""


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


def mean_predictor(dataset: Dataset) -> Evaluation:
    """Evaluates what answers the mean of the training targets of the triples to everything."""
    mean = np.mean(dataset.train.targets)
    return evaluate(lambda features: np.full(len(features), mean), dataset)


def eval_losses(predict: Callable[[Array], Array], dataset: Dataset) -> Losses:
    """The losses of `eval` alone, by which versions are chosen, as `evaluate` has them."""
    return _by_group(_errors(predict, dataset.eval))


def _errors(predict: Callable[[Array], Array], split: Split) -> Losses:
    return squared_errors(in_blocks(predict, split.features), split.targets)


def _by_group(errors: Losses) -> Losses:
    groups = GroupSums(len(errors))
    groups.add(errors)
    return groups.sums


def evaluate_table(predict: Callable[[Columns], NDArray[Any]], table: Table) -> Evaluation:
    """Evaluates `predict`, a function of raw rows whose result is `(rows,)`, on each side.

    Returns:
        `train_…`, `validation_…` and `test_…`. Of a regression: `rmse` and `mae` in the target's
        unit, and `r2`. Of a binary target, where predictions are probabilities of its positive
        class: `log_loss`, `brier`, `auc`, and `accuracy` at 0.5. A side on which `r2` or `auc`
        says nothing, since all its targets are equal, lacks it. The losses are of `validation`
        and `test`.

    Raises:
        Unsuitable: A prediction is not finite.
    """
    return _on_each_side(partial(_pairs, predict), table)


def mean_baseline(table: Table) -> Evaluation:
    """Evaluates what answers the mean of a table's training targets to everything.

    Of a binary target that is the share of the positive class: its accuracy is what the more
    frequent class reaches by itself.
    """
    of_train = Moments()
    for targets in table.train.targets():
        of_train.add(targets)

    def pairs(rows: Rows) -> Pairs:
        return ((np.full(len(targets), of_train.mean), targets) for targets in rows.targets())

    return _on_each_side(pairs, table)


def validation_losses(predict: Callable[[Columns], NDArray[Any]], table: Table) -> Losses:
    """The losses of the validation rows alone, by which versions are chosen.

    They are those that `evaluate_table` has, but for predictions that are not finite: here they
    are no error, since what serves may well say such things of rows it has never seen.
    """
    groups = GroupSums(table.validation.rows)
    for predictions, targets in _pairs(predict, table.validation):
        groups.add(LOSS_OF[table.schema.task](predictions, targets))
    return groups.sums


def _pairs(predict: Callable[[Columns], NDArray[Any]], rows: Rows) -> Pairs:
    return ((predict(columns), targets) for columns, targets in rows.columns(BLOCK_ROWS))


def _on_each_side(pairs: Callable[[Rows], Pairs], table: Table) -> Evaluation:
    measure = OF_TASK[table.schema.task]
    sides = {
        side: measure(_finite(side, pairs(rows)), rows.rows)
        for side, rows in zip(SIDES, (table.train, table.validation, table.test), strict=True)
    }
    return Evaluation(
        {
            f"{side}_{name}": value
            for side, measured in sides.items()
            for name, value in measured.scores.items()
        },
        {side: sides[side].losses for side in SIDES[1:]},
        sides["test"].calibration,
    )


def _finite(side: str, pairs: Pairs) -> Pairs:
    for predictions, targets in pairs:
        if not np.isfinite(predictions).all():
            raise Unsuitable(
                f"the predictions of the {side} rows are not all finite; "
                "a number in them may lie too far from all others of its column"
            )
        yield predictions, targets
