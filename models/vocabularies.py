"""Vocabularies of words, and of numbers that are looked up as words are: learned, and as codes."""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Codes = NDArray[np.int32]

MISSING, UNSEEN, FIRST_WORD = 0, 1, 2
"""Codes. The words of a vocabulary, or the values of a number, are coded in their order."""

USUAL = 0.5
"""A number is looked up if one value has more than this part of the rows. The deviation by which it
is scaled is then that of the others, whose values are names more than sizes: gains, mostly 0."""

STRAIGHT = 2
"""Values of a number that need no lookup: through so few goes a straight line."""


class Words(NamedTuple):
    """The vocabulary of a categorical feature, and how many numbers stand for a word."""

    name: str
    vocabulary: tuple[str, ...]
    width: int

    @property
    def codes(self) -> int:
        """The number of codes: words, the unseen one and the missing one."""
        return FIRST_WORD + len(self.vocabulary)


class Values(NamedTuple):
    """The values of a numeric feature, and how many numbers stand for one of them."""

    name: str
    known: tuple[float, ...]
    """In ascending order."""
    width: int

    @property
    def codes(self) -> int:
        """The number of codes: values, the unseen one and the missing one."""
        return FIRST_WORD + len(self.known)


class WordCounts:
    """How often each word of a categorical feature occurs in blocks of rows."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, block: NDArray[np.object_]) -> None:
        """Counts the words of another block `(rows,)`."""
        words = pc.value_counts(pa.array(block, pa.string()))
        fields = (words.field(field).to_pylist() for field in ("values", "counts"))
        self.counts.update(dict(zip(*fields, strict=True)))

    def words(self, name: str) -> Words:
        """Those that occur twice or more, the most frequent first, then in alphabetical order."""
        counts = self.counts
        repeated = (word for word, count in counts.items() if word and count > 1)
        vocabulary = tuple(sorted(repeated, key=lambda word: (-counts[word], word)))
        return Words(name, vocabulary, _width(vocabulary))


class ValueCounts:
    """How often each value of a numeric feature occurs in blocks of rows, while these are few."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.counts: Counter[float] = Counter()

    def add(self, block: NDArray[np.float64]) -> None:
        """Counts the values of another block `(rows,)`; NaN is none."""
        if len(self.counts) > self.most:
            return
        values, counts = np.unique(block[~np.isnan(block)], return_counts=True)
        some = slice(self.most + 1)  # that many are too many
        self.counts.update(dict(zip(values[some].tolist(), counts[some].tolist(), strict=True)))

    def values(self, name: str) -> Values | None:
        """Those that occur twice or more; None if the number needs no lookup."""
        if not STRAIGHT < len(self.counts) <= self.most:
            return None
        if max(self.counts.values()) <= USUAL * self.counts.total():
            return None
        known = tuple(sorted(value for value, count in self.counts.items() if count > 1))
        return Values(name, known, _width(known))


def codes_of(column: NDArray[np.object_] | NDArray[np.float64], of: Words | Values) -> Codes:
    """The code of each row, `(rows,)`."""
    if isinstance(of, Values):
        known = np.array(of.known)
        place = np.minimum(np.searchsorted(known, column), len(known) - 1)
        codes = np.where(known[place] == column, FIRST_WORD + place, UNSEEN)
        return np.where(np.isnan(column), MISSING, codes).astype(np.int32)
    # A word's position here is its code: the missing one, the unseen one, which no word equals.
    coded = pa.array(["", None, *of.vocabulary], pa.string())
    found = pc.index_in(pa.array(column, pa.string()), value_set=coded)
    codes_of_words: Codes = pc.fill_null(found, UNSEEN).to_numpy()
    return codes_of_words


def _width(vocabulary: tuple[str, ...] | tuple[float, ...]) -> int:
    # fastai's rule (`emb_sz_rule` of its tabular models), with a lower bound above.
    width: int = min(32, round(1.6 * (FIRST_WORD + len(vocabulary)) ** 0.56))
    return width
