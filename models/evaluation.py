"""How wrong predictions are, and how wrong the mean predictor is on the same rows."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from models.data import Array, Dataset, Split

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
