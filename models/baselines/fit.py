"""Trains a baseline by its name."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.baselines import biases, logistic, ridge, trees
from models.baselines.design import design
from models.baselines.fitted import Fitted, Predict
from models.config import BaselineName
from models.preprocessing import Encoded
from models.rows import Sides


class Baseline(NamedTuple):
    """A baseline of a table."""

    predict: Predict
    """From encoded rows to `(rows,)`: in the target's unit, or the probability of its positive
    class."""
    parameters: int
    """How many numbers were learned: coefficients; of trees, their nodes."""
    rows: int
    """How many training rows were used; of a large table perhaps not all."""
    seconds: float


def fit(name: BaselineName, sides: Sides, seed: int) -> Baseline | None:
    """Trains on the training rows; the validation rows choose penalties, or when to stop.

    Computes in float64, whatever the rows are in. The same rows and seed give the same
    predictions.

    Returns:
        None if such a baseline does not apply to this table: `biases` unless it has users and
        items and a target that is a number, `trees` if all training rows are of one class.
    """
    started = time.perf_counter()
    fitted = _FITS[name](sides, seed)
    if fitted is None:
        return None
    known = sides.preprocessing

    def predict(rows: Encoded) -> NDArray[np.float64]:
        return known.target_mean + known.target_scale * fitted.predict(rows)

    return Baseline(predict, fitted.parameters, fitted.rows, time.perf_counter() - started)


def _linear(sides: Sides, seed: int) -> Fitted:
    return _of_columns(sides, seed, products=False)


def _products(sides: Sides, seed: int) -> Fitted:
    return _of_columns(sides, seed, products=True)


def _of_columns(sides: Sides, seed: int, products: bool) -> Fitted:
    columns = design(sides, products)
    if sides.preprocessing.task == "regression":
        return ridge.fit(columns, sides, seed)
    return logistic.fit(columns, sides, seed)


_FITS: Mapping[BaselineName, Callable[[Sides, int], Fitted | None]] = {
    "linear": _linear,
    "products": _products,
    "trees": trees.fit,
    "biases": biases.fit,
}
