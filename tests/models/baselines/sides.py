"""Small tables in memory, from plain arrays."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.data import synthetic_triples
from models.preprocessing import Encoded, Number, Preprocessing
from models.rows import InMemory
from models.schema import Task
from models.vocabularies import FIRST_WORD, Words


class Made(NamedTuple):
    """A table: most rows to train on, a tenth to choose by, a tenth for the test."""

    preprocessing: Preprocessing
    train: InMemory
    validation: InMemory
    test: Encoded


def make(
    numbers: NDArray[Any],
    targets: NDArray[Any],
    codes: NDArray[Any] | None = None,
    task: Task = "regression",
    vocabularies: Sequence[int] = (),
    marked: Sequence[int] = (),
) -> Made:
    """`numbers` are `(numbers + marks, rows)`, `codes` `(categorical features, rows)`.

    Args:
        vocabularies: How many words each categorical feature has.
        marked: Which numbers have a mark.
    """
    rows = len(targets)
    codes = np.empty((0, rows)) if codes is None else codes
    known = Preprocessing(
        task,
        tuple(
            Number(f"number {index}", 0.0, 1.0, index in marked)
            for index in range(len(numbers) - len(marked))
        ),
        tuple(
            Words(f"words {index}", tuple(f"word {word}" for word in range(size)), 2)
            for index, size in enumerate(vocabularies)
        ),
        0.0,
        1.0,
    )
    every = InMemory(Encoded(numbers, codes.astype(np.int32), targets.astype(numbers.dtype)))
    parts = list(every.blocks(rows // 10))
    train = Encoded(*(np.concatenate(part, axis=-1) for part in zip(*parts[:8], strict=True)))
    return Made(known, InMemory(train), InMemory(parts[8]), parts[9])


def triples(rows: int = 10_000, seed: int = 42) -> Made:
    """The triples of the experiment."""
    features, targets = synthetic_triples(rows, seed)
    return make(features.T, targets)


def rated(
    seed: int = 0, rows: int = 20_000, users: int = 100, items: int = 200
) -> tuple[Made, NDArray[np.float64]]:
    """Users who rate items; and what the ratings of the test rows are without their noise."""
    draw = np.random.default_rng(seed)
    codes = np.stack([draw.integers(0, FIRST_WORD + size, rows) for size in (users, items)])
    of_users, of_items = (draw.normal(size=FIRST_WORD + size) for size in (users, items))
    truth = 3 + of_users[codes[0]] + of_items[codes[1]]
    ratings = truth + draw.normal(size=rows)
    made = make(np.empty((0, rows)), ratings, codes, vocabularies=(users, items))
    return made, truth[-len(made.test.targets) :]


def rmse(predictions: NDArray[Any], targets: NDArray[Any]) -> float:
    return float(np.sqrt(np.mean((predictions - targets) ** 2)))


def at(known: Made, numbers: Sequence[float] = (), codes: Sequence[int] = ()) -> Encoded:
    """One row."""
    width = known.preprocessing.numeric_width
    return Encoded(
        np.array(numbers, float).reshape(width, 1),
        np.array(codes, np.int32).reshape(len(known.preprocessing.words), 1),
        np.zeros(1),
    )
