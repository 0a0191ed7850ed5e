"""Filling, scaling and vocabularies: fitted on the training rows, and part of the network.

What a network of a table sees of a row, `x0`, is one after the other:

    each number       (value - mean) / scale, bent where some lie far out; 0 if it is missing
    each mark         1 if that number is missing, else 0; for numbers missing in training rows
    each embedding    of the word of a categorical feature; its width grows with the vocabulary
    each lookup       of a number of few values, where the config asks for it: its value's embedding
"""

from collections.abc import Iterable
from math import isfinite, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.columns import Columns
from models.schema import TableSchema, Task
from models.splits import Unsuitable
from models.vocabularies import ValueCounts, Values, WordCounts, Words, codes_of

BEND = 3.0
"""Scaled numbers are bent towards it, and never reach it: a cross layer multiplies them.

`x` becomes `x / √(1 + (x / 3)²)`, the smooth clipping of Holzmüller et al., "Better by Default:
Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data", 2024.
"""

FAR = 1e9
"""Beyond, a scaled number is as good as any other; its square would overflow some time."""

NEAR = 2 * BEND
"""As far as a number may lie that is not bent: all those of the training rows are within `BEND`."""


class Number(NamedTuple):
    """How a numeric feature is scaled, and whether a mark tells that it is missing."""

    name: str
    mean: float
    scale: float
    marked: bool
    bent: bool = True
    """Not where all scaled numbers of the training rows lie within `BEND`: these stay what they
    are, and a polynomial of them one of the network's input."""

    @property
    def bend(self) -> float:
        """What it is multiplied with before its square tells how far it is bent."""
        return 1 / BEND if self.bent else 0.0

    @property
    def bound(self) -> float:
        """Where a scaled number is cut off."""
        return FAR if self.bent else NEAR


class Preprocessing(NamedTuple):
    """All that is known of a table before its networks are trained."""

    task: Task
    numbers: tuple[Number, ...]
    words: tuple[Words, ...]
    target_mean: float
    """A regression's network learns `(target - mean) / scale`; a binary one's, the log-odds."""
    target_scale: float
    values: tuple[Values, ...] = ()
    """Of numbers that are looked up as well."""

    @property
    def coded(self) -> tuple[Words | Values, ...]:
        """What each row of `Encoded.codes` is of."""
        return self.words + self.values

    @property
    def numeric_width(self) -> int:
        """How much of `x0` is numbers and marks."""
        return len(self.numbers) + sum(number.marked for number in self.numbers)

    @property
    def width(self) -> int:
        """The width of `x0`."""
        return self.numeric_width + sum(each.width for each in self.coded)


class Encoded(NamedTuple):
    """Rows as a network takes them, the rows last."""

    numbers: NDArray[np.floating]
    """`(numeric_width, rows)`: scaled numbers, then marks."""
    codes: NDArray[np.int32]
    """`(categorical features, rows)`; behind them, those of numbers that are looked up."""
    targets: NDArray[np.floating]
    """`(rows,)`: scaled, or 0 and 1."""


class Moments:
    """The mean and the spread of numbers that come in blocks; NaN is a missing one."""

    def __init__(self) -> None:
        self.count = self.missing = 0
        self.mean = self.squares = 0.0
        self.least, self.greatest = np.inf, -np.inf

    def add(self, block: NDArray[np.float64]) -> None:
        """Takes the numbers of another block `(rows,)` into account."""
        values = block[~np.isnan(block)]
        self.missing += len(block) - len(values)
        if not len(values):
            return
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(values.mean())
            squares = float(np.square(values - mean).sum())
        # The formula of Chan, Golub and LeVeque: no difference of large sums.
        total = self.count + len(values)
        apart = mean - self.mean
        self.mean += apart * len(values) / total
        self.squares += squares + apart * apart * self.count * len(values) / total
        self.count = total
        self.least = min(self.least, float(values.min()))
        self.greatest = max(self.greatest, float(values.max()))

    def mean_and_scale(self, name: str) -> tuple[float, float]:
        """The mean and the standard deviation; the latter is 1 where all numbers are equal.

        Raises:
            Unsuitable: The numbers of this column are too large for float64.
        """
        if not self.count:
            return 0.0, 1.0
        if self.least == self.greatest:
            return self.least, 1.0  # exactly: rounding is no spread
        scale = sqrt(self.squares / self.count) if isfinite(self.squares) else 0.0
        if not (isfinite(self.mean) and scale):
            raise Unsuitable(
                f"the numbers of column {name!r} cannot be scaled: they reach from "
                f"{self.least:g} to {self.greatest:g}"
            )
        return self.mean, scale


def fit(
    batches: Iterable[tuple[Columns, NDArray[np.float64]]],
    schema: TableSchema,
    most_values: int = 0,
) -> Preprocessing:
    """Learns from the training rows, which come in blocks with their targets `(rows,)`.

    A vocabulary holds the words that occur twice or more, the most frequent first, and equally
    frequent ones in alphabetical order. What occurs once stands for the unseen, whose embedding
    is so trained. Where no word occurs twice the vocabulary is empty. The same goes for the values
    of a number that has at most `most_values` of them, and in most rows the same one.

    Raises:
        Unsuitable: The numbers of a column are too large to be scaled.
    """
    moments = {column.name: Moments() for column in schema.numeric}
    values = {column.name: ValueCounts(most_values) for column in schema.numeric if most_values}
    words = {column.name: WordCounts() for column in schema.categorical}
    of_target = Moments()
    for columns, targets in batches:
        of_target.add(targets)
        for name, of_column in moments.items():
            of_column.add(columns[name])
        for name, counts in (values | words).items():
            counts.add(columns[name])
    regression = schema.task == "regression"
    target_mean, target_scale = (
        of_target.mean_and_scale(schema.target) if regression else (0.0, 1.0)
    )
    return Preprocessing(
        schema.task,
        tuple(_number(name, of_column) for name, of_column in moments.items()),
        tuple(counts.words(name) for name, counts in words.items()),
        target_mean,
        target_scale,
        tuple(found for name, counts in values.items() if (found := counts.values(name))),
    )


def _number(name: str, moments: Moments) -> Number:
    mean, scale = moments.mean_and_scale(name)
    farthest = max(moments.greatest - mean, mean - moments.least)
    return Number(name, mean, scale, moments.missing > 0, farthest > BEND * scale)


def encode(
    columns: Columns,
    targets: NDArray[np.float64],
    preprocessing: Preprocessing,
    dtype: str = "float32",
) -> Encoded:
    """Rows, and their targets `(rows,)` in the table's unit, as a network takes them."""
    rows = len(targets)
    numbers = np.zeros((preprocessing.numeric_width, rows), dtype)
    mark = len(preprocessing.numbers)
    # What lies too far away for float64 is infinite for a moment.
    with np.errstate(over="ignore"):
        for index, number in enumerate(preprocessing.numbers):
            column = columns[number.name]
            missing = np.isnan(column)
            scaled = (column - number.mean) / number.scale
            numbers[index] = np.where(missing, 0.0, bent(scaled, number))
            if number.marked:
                numbers[mark] = missing
                mark += 1
        targets = (targets - preprocessing.target_mean) / preprocessing.target_scale
        codes = np.empty((len(preprocessing.coded), rows), np.int32)
        for index, each in enumerate(preprocessing.coded):
            codes[index] = codes_of(columns[each.name], each)
        return Encoded(numbers, codes, targets.astype(dtype))


def predictions(outputs: NDArray[np.float64], preprocessing: Preprocessing) -> NDArray[np.float64]:
    """What a network's outputs `(rows,)` mean: in the target's unit, or as probabilities."""
    if preprocessing.task == "binary":
        probabilities: NDArray[np.float64] = expit(outputs)
        return probabilities
    return outputs * preprocessing.target_scale + preprocessing.target_mean


def bent(scaled: NDArray[np.float64], number: Number) -> NDArray[np.float64]:
    """Scaled numbers as a network sees them: between -3 and 3, and near 0 as they are."""
    x = np.clip(scaled, -number.bound, number.bound)
    result: NDArray[np.float64] = x / np.sqrt(1 + np.square(x * number.bend))
    return result
