"""The columns of a linear model: a constant, numbers, marks, words, and products of two of them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.baselines.matrix import Matrix
from models.data import Array
from models.preprocessing import Encoded
from models.rows import InMemory, Sides

WORD_COLUMNS = 3000
"""Of all categorical features together, but for one more of each: its rarer words share it."""

PRODUCT_COLUMNS = 500

WORD_COST = 20
"""What a sparse entry costs, in numbers of a dense column."""

BLOCK_ROWS = 65_536
BLOCK_NUMBERS = 2**22
"""At most so many numbers of a design are made at a time."""


class Design(NamedTuple):
    """Which columns there are; makes them of encoded rows."""

    numeric_width: int
    column_of_code: tuple[NDArray[np.int32], ...]
    """Of each categorical feature and each of its codes, the column; -1 is none."""
    word_columns: int
    multiplied_words: NDArray[np.intp]
    """The columns of words that are in products."""
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    """Of each product, which two it is of: numbers and marks, then `multiplied_words`."""

    @property
    def words_are_dense(self) -> bool:
        """So few columns of words are no longer cheaper for being sparse."""
        return self.word_columns <= WORD_COST * len(self.column_of_code)

    @property
    def dense_columns(self) -> int:
        """The constant, numbers, marks, products, and words if they are dense."""
        return 1 + self.numeric_width + len(self.first) + self.words_are_dense * self.word_columns

    @property
    def columns(self) -> int:
        """All of them."""
        return 1 + self.numeric_width + len(self.first) + self.word_columns

    @property
    def cost(self) -> int:
        """What a row costs, in numbers of a dense column."""
        sparse = 0 if self.words_are_dense else len(self.column_of_code)
        return self.dense_columns + WORD_COST * sparse

    @property
    def block_rows(self) -> int:
        """So many rows make a matrix of bounded size."""
        return max(1, min(BLOCK_ROWS, BLOCK_NUMBERS // self.cost))

    def matrix(self, block: Encoded) -> Matrix:
        """The columns of these rows, in float64."""
        numbers = block.numbers.astype(np.float64)
        words = self._words(block.codes)
        factors = np.concatenate([numbers, words[:, self.multiplied_words].toarray().T])
        constant = np.ones((1, len(block.targets)))
        products = factors[self.first] * factors[self.second]
        dense = [constant, numbers, products]
        if self.words_are_dense:
            dense.append(words.toarray().T)
            words = words[:, :0]
        return Matrix(np.concatenate(dense), words)

    def times(self, block: Encoded, weights: Array) -> Array:
        """The columns of these rows times `weights` `(columns, …)`; the result is `(rows, …)`."""
        parts = InMemory(block).blocks(self.block_rows)
        return np.concatenate([self.matrix(part).times(weights) for part in parts])

    def _words(self, codes: NDArray[np.int32]) -> csr_array:
        rows = codes.shape[1]
        columns = np.empty((rows, len(self.column_of_code)), np.int32)
        for feature, of_code in enumerate(self.column_of_code):
            columns[:, feature] = of_code[codes[feature]]
        there = columns >= 0
        ends = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
        chosen = columns[there]
        return csr_array((np.ones(len(chosen)), chosen, ends), shape=(rows, self.word_columns))


class _Counts(NamedTuple):
    """What one look at the training rows tells."""

    of_codes: list[NDArray[np.int64]]
    """Of each categorical feature, how many rows have each code."""
    shares: Array
    """Of each number and mark, the share of rows in which it may be other than 0."""
    pull: Array
    """Of each number and mark, how much the target goes with it."""


def design(sides: Sides, products: bool) -> Design:
    """The columns for a table, as its training rows have them.

    Words and other codes that no training row has are left out; beyond `WORD_COLUMNS` the rarer
    ones of a feature share one column. Of the products of two columns, squares included, those
    that are most often other than 0 come first, as if columns were independent, and there are at
    most `PRODUCT_COLUMNS`: first those of numbers, the ones that go most with the target before
    others, then those with the most frequent words and marks.
    """
    counts = _count(sides)
    column_of_code, shares = _word_columns(counts.of_codes, sides.train.rows)
    none = np.empty(0, np.intp)
    marks = len(counts.shares) - len(sides.preprocessing.numbers)
    result = Design(len(counts.shares), column_of_code, len(shares), none, none, none)
    return _with_products(result, counts, shares, marks) if products else result


def _count(sides: Sides) -> _Counts:
    known = sides.preprocessing
    of_codes = [np.zeros(words.codes, np.int64) for words in known.words]
    total, of_numbers, of_both = 0.0, np.zeros(known.numeric_width), np.zeros(known.numeric_width)
    for block in sides.train.blocks(BLOCK_ROWS):
        for index, codes in enumerate(block.codes[: len(of_codes)]):  # those of words come first
            of_codes[index] += np.bincount(codes, minlength=len(of_codes[index]))
        numbers, targets = block.numbers.astype(np.float64), block.targets.astype(np.float64)
        total += float(targets.sum())
        of_numbers += numbers.sum(axis=1)
        of_both += numbers @ targets
    rows = sides.train.rows
    shares = of_numbers / rows  # of marks, which are 0 and 1
    shares[: len(known.numbers)] = 1
    return _Counts(of_codes, shares, np.abs(of_both - of_numbers * total / rows))


def _word_columns(
    of_codes: list[NDArray[np.int64]], rows: int
) -> tuple[tuple[NDArray[np.int32], ...], Array]:
    """Of each feature the column of each code; and of each column its share of the rows."""
    every = np.concatenate([np.empty(0, np.int64), *of_codes])
    kept = np.zeros(len(every), bool)
    kept[np.argsort(-every, kind="stable")[:WORD_COLUMNS]] = True
    column_of_code: list[NDArray[np.int32]] = []
    shares: list[float] = []
    end = 0
    for count in of_codes:
        start, end = end, end + len(count)
        own = kept[start:end] & (count > 0)
        rarer = ~own & (count > 0)
        columns = np.full(len(count), -1, np.int32)
        columns[own] = len(shares) + np.arange(own.sum())
        shares += (count[own] / rows).tolist()
        if rarer.any():
            columns[~own] = len(shares)
            shares.append(float(count[rarer].sum()) / rows)
        column_of_code.append(columns)
    return tuple(column_of_code), np.array(shares)


def _with_products(linear: Design, counts: _Counts, shares: Array, marks: int) -> Design:
    """Chooses the products; `marks` are the last ones of the numbers."""
    width = linear.numeric_width
    # Two words of one feature never meet, and the square of what is 0 or 1 is itself.
    feature = np.empty(width + len(shares), np.intp)
    feature[:width] = np.arange(width)
    for index, columns in enumerate(linear.column_of_code):
        feature[width + columns[columns >= 0]] = width + index
    share = np.concatenate([counts.shares, shares])
    pull = np.concatenate([counts.pull, np.zeros(len(shares))])
    factors = np.lexsort([-pull, -share])[:PRODUCT_COLUMNS]
    one, other = np.tril_indices(len(factors))  # `one` is never before `other`
    numbers = width - marks
    useful = (feature[factors[one]] != feature[factors[other]]) | (factors[one] < numbers)
    one, other = one[useful], other[useful]
    often = share[factors[one]] * share[factors[other]]
    chosen = np.lexsort([one, -often])[:PRODUCT_COLUMNS]
    one, other = factors[one[chosen]], factors[other[chosen]]
    multiplied = np.unique([*one[one >= width], *other[other >= width]]).astype(np.intp)
    place = np.arange(width + len(shares))
    place[multiplied] = width + np.arange(len(multiplied))
    return linear._replace(
        multiplied_words=multiplied - width, first=place[one], second=place[other]
    )
