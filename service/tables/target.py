"""The target: numbers, or which of two classes a row belongs to."""

import pyarrow as pa
import pyarrow.compute as pc

from models.schema import TableSchema, Task
from service.errors import Conflict, Invalid, excerpt
from service.tables.column import Column
from service.tables.names import listed
from service.tables.options import Options
from service.tables.values import Array

Value = float | str
NO_AND_YES = (0.0, 1.0)


class Target:
    """The target's values as numbers, where 0.0 and 1.0 stand for classes.

    Which class is the positive one, the last in order, is not known before both were seen. If what
    was encoded before turns out wrong, it must be read again.
    """

    def __init__(self, column: Column, options: Options, expected: TableSchema | None) -> None:
        self.column = column
        self._task = expected.task if expected else options.task
        self._expected = expected.classes if expected else None
        self._type = column.type
        self._values: list[Value] = []
        """The different ones in order, up to three."""
        self._pair: tuple[Value, ...] | None = None
        """What is encoded as 0.0 and as 1.0; None: not known yet."""

    @property
    def task(self) -> Task:
        """The one that was asked for, or the one that all values fit."""
        if self._task is not None:
            return self._task
        is_number = self._type == "number" and tuple(self._values) != NO_AND_YES
        return "regression" if is_number else "binary"

    @property
    def classes(self) -> tuple[str, str] | None:
        """The negative and the positive one, if the task is binary."""
        if self._expected or self.task == "regression":
            return self._expected
        negative, positive = self._pair or NO_AND_YES
        return self._label(negative), self._label(positive)

    def encode(self, array: Array, row: int) -> Array | None:
        """Converted values of the column as float64; `row` is the number of rows before them.

        Returns None if what was encoded before must be encoded anew.

        Raises:
            Invalid: There are too many classes, or texts where numbers are to be learned.
            Conflict: A class is none of those in other revisions.
        """
        if self.column.type != self._type:
            self._type, self._values = self.column.type, []
        is_text = self._type == "text"
        if not is_text and (self._task == "regression" or self._has_too_many_values()):
            return array
        found = {value for value in pc.unique(array).to_pylist() if value is not None}
        if self._expected is not None:
            return self._as_expected(array, found, self._expected, row)
        self._values = sorted({*self._values, *found})[:3]
        if is_text and self._task == "regression":
            raise Invalid(self._fault(f"holds texts, like {self._examples()}", "numbers"))
        if self._has_too_many_values() and (is_text or self._task == "binary"):
            what = f"more than two classes, like {self._examples()}"
            raise Invalid(self._fault(f"holds {what}", "a number, or one of two classes"))
        before, self._pair = self._pair, self._find_pair()
        if self._pair is None or (row > 0 and before != self._pair):
            return None
        if self._pair == NO_AND_YES:
            return array
        return pc.equal(array, self._pair[1]).cast(pa.float64())

    def check(self) -> None:
        """Raises Invalid if, in all rows, there is only one value to learn."""
        if self._expected is None and len(self._values) == 1:
            what = f"holds one value only, {self._examples()}"
            raise Invalid(self._fault(what, "what differs from row to row"))

    def _has_too_many_values(self) -> bool:
        return len(self._values) > 2

    def _find_pair(self) -> tuple[Value, ...] | None:
        is_number = self._type == "number" and self._task != "binary"
        if is_number or self._type == "boolean" or set(self._values) <= set(NO_AND_YES):
            return NO_AND_YES
        return tuple(self._values) if len(self._values) == 2 else None

    def _as_expected(
        self, array: Array, found: set[Value], classes: tuple[str, str], row: int
    ) -> Array:
        positive = [value for value in found if self._label(value) == classes[1]]
        for value in found:
            if self._label(value) not in classes:
                place = self.column.place(row + pc.index(array, value).as_py())
                raise Conflict(
                    f"{place} is {excerpt(self._label(value))}; the classes of this dataset are "
                    f"{excerpt(classes[0])} and {excerpt(classes[1])}"
                )
        is_positive = pc.is_in(array, value_set=pa.array(positive, array.type))
        return pc.if_else(array.is_valid(), is_positive, None).cast(pa.float64())

    def _examples(self) -> str:
        return listed(self._label(value) for value in self._values)

    def _label(self, value: Value) -> str:
        if isinstance(value, str):
            return value
        if self._type == "boolean":
            return "true" if value else "false"
        return str(int(value)) if value.is_integer() else str(value)

    def _fault(self, what: str, instead: str) -> str:
        misfit = f"; {self.column.misfit}" if self.column.misfit else ""
        return f"column {excerpt(self.column.name)} {what}; a target is {instead}{misfit}"
