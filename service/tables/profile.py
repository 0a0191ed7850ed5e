"""What is in a column, gathered while it is read."""

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.schema import KINDS
from service.errors import Invalid, excerpt, printable
from service.tables.column import Column
from service.tables.contents import ColumnProfile, Value
from service.tables.values import Array, first

MOST_COUNTED = 10_000
"""Different numbers, or texts that are no category. Beyond, they are not counted."""

MOST_FREQUENT = 5
SHOWN_CHARACTERS = 60

FEW_ROWS = 20
"""In so few, many a column has only different values."""

TELLS_ALL = 1 - 1e-9
"""Nothing that was measured beside the target has such a correlation with it, squared."""


class Profile:
    """What is known of a column's values."""

    def __init__(self, column: Column, kind: Any, max_distinct: int) -> None:
        """`kind`: the Arrow type of the values."""
        self.column = column
        self._kind = kind
        self._is_category = column.role == "feature" and self._kind == pa.string()
        self._most = max_distinct if self._is_category else MOST_COUNTED
        self._values = pa.array([], self._kind)
        self._counts: NDArray[np.int64] | None = np.zeros(0, np.int64)
        """Rows with each of the different values; None: these are too many."""
        self._rows = self._missing = 0
        self._first: Any = None
        self._least: Any = None
        self._greatest: Any = None
        self._sum = 0.0
        self._is_rising = True
        self._is_whole = True
        self._moments = np.zeros(6)
        """Of values and targets, each less a constant: n, Σx, Σy, Σxx, Σyy, Σxy."""
        self._first_target = 0.0

    def add(self, values: Array, targets: NDArray[np.float64]) -> None:
        """Takes in the next rows: a chunked array as the column converts it, and their targets.

        Raises:
            Invalid: A category has more values than are allowed.
        """
        self._rows += len(values)
        self._missing += values.null_count
        if len(values) == values.null_count:
            return
        if self._first is None:
            self._first, self._first_target = first(values), float(targets[0])
        if self._counts is not None:
            self._count(values, self._counts)
        with np.errstate(all="ignore"):  # of very large numbers there is no mean
            self._add_present(values, targets)

    def _add_present(self, values: Array, targets: NDArray[np.float64]) -> None:
        if self._kind == pa.float64():
            numbers = values.to_numpy()
            self._measure(numbers[~np.isnan(numbers)])
            self._compare(numbers - self._first, targets)
        elif self._kind == pa.string():
            is_first = pc.equal(values, self._first).cast(pa.float64())
            self._compare(is_first.to_numpy(), targets)
        else:
            ends = pc.min_max(values)
            self._widen(ends["min"].as_py(), ends["max"].as_py())

    def _count(self, values: Array, before: NDArray[np.int64]) -> None:
        news = values.drop_null().value_counts()
        distinct, counts = news.field(0), news.field(1).to_numpy()
        if len(distinct) <= self._most:
            both = pa.concat_arrays([self._values, distinct]).dictionary_encode()
            weights = np.concatenate([before, counts])
            distinct = both.dictionary
            counts = np.bincount(both.indices, weights).astype(np.int64)
        if len(distinct) <= self._most:
            self._values, self._counts = distinct, counts
        elif not self._is_category:
            self._counts = None
        else:
            misfit = f"; {self.column.misfit}; or" if self.column.misfit else ""
            raise Invalid(
                f"column {excerpt(self.column.name)} is a category of more than {self._most} "
                f"different values{misfit or ':'} pass exclude={self.column.name}"
            )

    def _measure(self, numbers: NDArray[np.float64]) -> None:
        last = -np.inf if self._greatest is None else self._greatest
        self._is_rising = self._is_rising and bool(np.all(np.diff(numbers, prepend=last) > 0))
        self._is_whole = self._is_whole and bool(np.all(np.floor(numbers) == numbers))
        self._sum += float(numbers.sum())
        self._widen(float(numbers.min()), float(numbers.max()))

    def _widen(self, least: Any, greatest: Any) -> None:
        self._least = least if self._least is None else min(least, self._least)
        self._greatest = greatest if self._greatest is None else max(greatest, self._greatest)

    def _compare(self, x: NDArray[np.float64], targets: NDArray[np.float64]) -> None:
        if self.column.role != "feature":
            return
        present = ~np.isnan(x)
        x, y = x[present], targets[present] - self._first_target
        sums = [len(x), *(terms.sum() for terms in (x, y, x * x, y * y, x * y))]
        self._moments += np.array(sums)

    @property
    def is_empty(self) -> bool:
        """Whether all values are missing."""
        return self._missing == self._rows

    @property
    def is_constant(self) -> bool:
        """Whether each row has the same value."""
        return self._missing == 0 and self._distinct == 1

    def summary(self, classes: tuple[str, str] | None = None) -> ColumnProfile:
        """What to tell of it; `classes`: what a binary target's 0.0 and 1.0 mean."""
        classes = classes if self.column.role == "target" else None
        column, present = self.column, self._rows - self._missing
        has_range = column.type in ("number", "time") and classes is None and present > 0
        has_mean = self._kind == pa.float64() and present > 0
        return ColumnProfile(
            name=column.name,
            type=column.type,
            kind=KINDS[column.type] if column.role == "feature" and column.type != "time" else None,
            role=column.role,
            missing=self._missing,
            distinct=self._distinct,
            least=_shown(self._least) if has_range else None,
            greatest=_shown(self._greatest) if has_range else None,
            mean=_finite(self._sum / present) if has_mean else None,
            most_frequent=self._most_frequent(classes),
            notes=[*column.notes, *self._suspicions()],
        )

    @property
    def _distinct(self) -> int | None:
        return None if self._counts is None else len(self._counts)

    def _most_frequent(self, classes: tuple[str, str] | None) -> list[tuple[Value, int]]:
        if self._counts is None:
            return []
        order = np.argsort(-self._counts, kind="stable")[:MOST_FREQUENT]
        values = self._values.take(order).to_pylist()
        if classes is not None:
            values = [classes[int(value)] for value in values]
        elif self.column.type == "boolean":
            values = [bool(value) for value in values]
        return list(zip(map(_shown, values), self._counts[order].tolist(), strict=True))

    def _suspicions(self) -> Iterator[str]:
        if self.column.role != "feature":
            return
        present = self._rows - self._missing
        is_rising = self._kind == pa.float64() and self._is_rising
        if present > FEW_ROWS and self._is_whole and (is_rising or self._distinct == present):
            yield "looks like an identifier"
        if self._kind == pa.float64() or self._distinct == 2:
            count, x, y, xx, yy, xy = self._moments.tolist()
            both = (count * xx - x * x) * (count * yy - y * y)
            if both > 0 and (count * xy - x * y) ** 2 > TELLS_ALL * both:
                yield "looks like the target itself"


def _shown(value: Any) -> Value:
    if isinstance(value, datetime):
        return value.isoformat()
    return printable(value, SHOWN_CHARACTERS) if isinstance(value, str) else value


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
