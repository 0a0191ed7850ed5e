"""Filling, scaling and vocabularies: fitted on the training rows, and part of the network.

What a network of a table sees of a row, `x0`, is one after the other:

    each number       (value - mean) / scale; 0 if it is missing
    each mark         1 if that number is missing, else 0; for numbers missing in training rows
    each embedding    of the word of a categorical feature; its width grows with the vocabulary
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.schema import Task

MISSING, UNSEEN, FIRST_WORD = 0, 1, 2
"""Codes of a categorical feature. The words of its vocabulary are coded in their order."""


class Number(NamedTuple):
    """How a numeric feature is scaled, and whether a mark tells that it is missing."""

    name: str
    mean: float
    scale: float
    marked: bool


class Words(NamedTuple):
    """The vocabulary of a categorical feature, and how many numbers stand for a word."""

    name: str
    vocabulary: tuple[str, ...]
    width: int

    @property
    def codes(self) -> int:
        """The number of codes: words, the unseen one and the missing one."""
        return FIRST_WORD + len(self.vocabulary)


class Preprocessing(NamedTuple):
    """All that is known of a table before its networks are trained."""

    task: Task
    numbers: tuple[Number, ...]
    words: tuple[Words, ...]
    target_mean: float
    """A regression's network learns `(target - mean) / scale`; a binary one's, the log-odds."""
    target_scale: float

    @property
    def numeric_width(self) -> int:
        """How much of `x0` is numbers and marks."""
        return len(self.numbers) + sum(number.marked for number in self.numbers)

    @property
    def width(self) -> int:
        """The width of `x0`."""
        return self.numeric_width + sum(words.width for words in self.words)


class Encoded(NamedTuple):
    """Rows as a network takes them, the rows last."""

    numbers: NDArray[np.floating]
    """`(numeric_width, rows)`: scaled numbers, then marks."""
    codes: NDArray[np.int32]
    """`(categorical features, rows)`."""
    targets: NDArray[np.floating]
    """`(rows,)`: scaled, or 0 and 1."""
