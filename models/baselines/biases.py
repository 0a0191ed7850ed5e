"""A mean, what a user adds to it, and what an item does: the baseline of recommenders."""

import numpy as np
from numpy.typing import NDArray

from models.baselines.drawn import drawn
from models.baselines.fitted import Fitted
from models.data import Array
from models.rows import Rows, Sides

LEAST_WORDS = 50
LEAST_ROWS = 5
"""For each word, on average."""

PENALTIES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
"""A bias is the sum of what its rows are off, by their number and this."""

SWEEPS = 20

MOST_ROWS = 2**22
"""Of more some are drawn."""

BLOCK_ROWS = 65_536

Pair = tuple[int, int]
Biases = tuple[Array, Array]


def fit(sides: Sides, seed: int) -> Fitted | None:
    """Fits both biases in turn; the validation rows choose how much they are shrunk.

    Users and items are the two categorical features with the largest vocabularies. Nothing if the
    target is binary, if a vocabulary has fewer than 50 words, or if there are fewer than 5 training
    rows for each of its words: then its words identify nothing that one could learn of.
    """
    pair = _users_and_items(sides)
    if pair is None:
        return None
    codes, targets = _rows(sides.train, pair, MOST_ROWS, seed)
    validation_codes, validation_targets = _rows(sides.validation, pair, MOST_ROWS, seed)
    mean = float(targets.mean())
    sizes = tuple(sides.preprocessing.words[feature].codes for feature in pair)
    found = [_fitted(codes, targets - mean, sizes, penalty) for penalty in PENALTIES]
    errors = [
        np.mean((mean + _sum(biases, validation_codes) - validation_targets) ** 2)
        for biases in found
    ]
    best = found[int(np.argmin(errors))]
    known = sum(len(np.unique(side)) for side in codes)
    return Fitted(lambda block: mean + _sum(best, block.codes[list(pair)]), 1 + known, len(targets))


def _users_and_items(sides: Sides) -> Pair | None:
    """Which two of the categorical features they are."""
    known = sides.preprocessing
    sizes = [len(words.vocabulary) for words in known.words]
    if known.task == "binary" or len(sizes) < 2:
        return None
    one, other = sorted(range(len(sizes)), key=lambda index: -sizes[index])[:2]
    enough = sizes[other] >= LEAST_WORDS and sides.train.rows >= LEAST_ROWS * sizes[one]
    return (one, other) if enough else None


def _rows(rows: Rows, pair: Pair, most: int, seed: int) -> tuple[NDArray[np.int32], Array]:
    """The codes of users and items `(2, rows)`, and targets."""
    blocks = [
        (block.codes[list(pair)], block.targets.astype(np.float64))
        for block in drawn(rows, most, BLOCK_ROWS, seed)
    ]
    codes, targets = zip(*blocks, strict=True)
    return np.concatenate(codes, axis=1), np.concatenate(targets)


def _fitted(
    codes: NDArray[np.int32], targets: Array, sizes: tuple[int, ...], penalty: float
) -> Biases:
    """Biases of all codes; 0 of those that no row has."""
    shrunk = [
        np.bincount(side, minlength=size) + penalty for side, size in zip(codes, sizes, strict=True)
    ]
    of_users, of_items = (np.zeros(size) for size in sizes)
    users, items = codes
    for _ in range(SWEEPS):
        left = targets - of_items[items]
        of_users = np.bincount(users, left, sizes[0]) / shrunk[0]
        left = targets - of_users[users]
        of_items = np.bincount(items, left, sizes[1]) / shrunk[1]
    return of_users, of_items


def _sum(biases: Biases, codes: NDArray[np.int32]) -> Array:
    of_users, of_items = biases
    result: Array = of_users[codes[0]] + of_items[codes[1]]
    return result
