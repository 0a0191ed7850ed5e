"""The synthetic triples and their split into rows to learn from and rows held out."""

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.config import FEATURES, SyntheticDataset

Array = NDArray[np.float64]


class Split(NamedTuple):
    """Rows of one split: features `(rows, 3)` and targets `(rows,)`, both float64."""

    features: Array
    targets: Array


class Dataset(NamedTuple):
    """The training split, the evaluation split, and the SHA-256 of all their bytes."""

    train: Split
    eval: Split
    fingerprint: str


def target(features: Array) -> Array:
    """The function to learn, `x0² + x0·x1 + x1·x2 + x2²`, of features `(rows, 3)`."""
    x0, x1, x2 = features.T
    result: Array = x0**2 + x0 * x1 + x1 * x2 + x2**2
    return result


def synthetic_triples(size: int, seed: int) -> Split:
    """Draws `size` triples on the grid of 200 points a side in [0, 1), and their targets.

    The draw is that of NumPy's legacy `RandomState`, which is frozen: the same seed gives
    the same rows on every version of NumPy.
    """
    features = np.random.RandomState(seed).randint(200, size=(size, FEATURES)) / 200
    return Split(features, target(features))


def load(config: SyntheticDataset) -> Dataset:
    """Makes the dataset that `config` describes; the first rows are the training split."""
    features, targets = synthetic_triples(config.size, config.seed)
    train = slice(None, config.train_size)
    held_out = slice(config.train_size, None)
    digest = hashlib.sha256(features.data)
    digest.update(targets.data)
    return Dataset(
        Split(features[train], targets[train]),
        Split(features[held_out], targets[held_out]),
        digest.hexdigest(),
    )
