"""Boosted trees over histograms, by scikit-learn."""

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from models.baselines.drawn import drawn
from models.baselines.fitted import Fitted
from models.data import Array
from models.preprocessing import Encoded, Preprocessing
from models.rows import Rows, Sides

MOST_CELLS = 2**23
"""Rows times columns; of more rows some are drawn."""

ITERATIONS = 500
"""At most; most tables stop them early."""

CODES = 254
"""Of a categorical feature, as many as a histogram takes; all rarer words share the last one."""

BLOCK_ROWS = 65_536


def fit(sides: Sides, seed: int) -> Fitted | None:
    """Grows trees until those of the last ten iterations make no validation error smaller.

    All else is scikit-learn's default. Nothing if all training rows are of one class.
    """
    known = sides.preprocessing
    binary = known.task == "binary"
    most = max(1, MOST_CELLS // (len(known.numbers) + len(known.words)))
    features, targets = _rows(sides.train, known, most, seed)
    if binary and targets.min() == targets.max():
        return None
    validation = _rows(sides.validation, known, most, seed)
    kind = HistGradientBoostingClassifier if binary else HistGradientBoostingRegressor
    trees = kind(
        max_iter=ITERATIONS,
        early_stopping=True,
        categorical_features=np.arange(features.shape[1]) >= len(known.numbers),
        random_state=seed,
    )
    # One thread: others of a busy machine would be waited for in every node.
    with threadpool_limits(1, "openmp"):
        trees.fit(features, targets, X_val=validation[0], y_val=validation[1])

    def predict(block: Encoded) -> Array:
        features = _features(block, known)
        with threadpool_limits(1, "openmp"):
            result: Array = (
                trees.predict_proba(features)[:, 1] if binary else trees.predict(features)
            )
        return result

    nodes = sum(len(tree.nodes) for iteration in trees._predictors for tree in iteration)
    return Fitted(predict, nodes, len(targets))


def _rows(rows: Rows, known: Preprocessing, most: int, seed: int) -> tuple[Array, Array]:
    """Features `(rows, columns)` and targets."""
    blocks = [
        (_features(block, known), block.targets.astype(np.float64))
        for block in drawn(rows, most, BLOCK_ROWS, seed)
    ]
    features, targets = zip(*blocks, strict=True)
    return np.concatenate(features), np.concatenate(targets)


def _features(block: Encoded, known: Preprocessing) -> Array:
    """Numbers, NaN where a mark says that they are missing, and codes; `(rows, columns)`."""
    numbers = block.numbers[: len(known.numbers)].astype(np.float64)
    marked = [index for index, number in enumerate(known.numbers) if number.marked]
    for index, mark in zip(marked, block.numbers[len(known.numbers) :], strict=True):
        numbers[index, mark > 0] = np.nan
    codes: NDArray[np.int32] = np.minimum(block.codes[: len(known.words)], CODES - 1)
    return np.concatenate([numbers, codes]).T
