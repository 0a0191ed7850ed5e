"""A small table in memory, as trainers see it."""

from typing import NamedTuple

import numpy as np

from models.preprocessing import Encoded, Number, Preprocessing
from models.rows import InMemory
from models.schema import Task
from models.vocabularies import Words

WORDS = (Words("city", ("Bergen", "Oslo", "Tromsø"), 2), Words("kind", ("flat", "house"), 2))
OF_WORDS = np.array([0.0, 0.5, -1.0, 1.5, -0.5])
"""What each code of the city adds to the target."""


class Sample(NamedTuple):
    """A table whose target is `x0 · x1` and what the first word adds; binary: whether above 0."""

    preprocessing: Preprocessing
    train: InMemory
    validation: InMemory


def sample(
    task: Task = "regression",
    rows: int = 1100,
    validation_rows: int = 300,
    dtype: str = "float32",
    words: bool = True,
) -> Sample:
    """Draws a table; the same arguments give the same one."""
    draw = np.random.default_rng(3)
    chosen = WORDS if words else ()

    def side(rows: int) -> InMemory:
        numbers = draw.normal(size=(2, rows))
        codes = np.array([draw.integers(0, one.codes, rows) for one in chosen], np.int32)
        targets = numbers[0] * numbers[1] + (OF_WORDS[codes[0]] if words else 0)
        if task == "binary":
            targets = targets > 0
        return InMemory(
            Encoded(numbers.astype(dtype), codes.reshape(-1, rows), targets.astype(dtype))
        )

    numbers = tuple(Number(name, 0.0, 1.0, marked=False) for name in ("area", "rooms"))
    preprocessing = Preprocessing(task, numbers, chosen, 0.0, 1.0)
    return Sample(preprocessing, side(rows), side(validation_rows))
