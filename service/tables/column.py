"""A column of an upload on the way to its type."""

import re
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from models.schema import Type
from service.errors import Conflict, Invalid, excerpt
from service.tables import values
from service.tables.names import Role
from service.tables.values import ARROW, READERS, Array, Read

LAST_EXACT = 2**53
"""Beyond, float64 does not know every whole number: such numbers name things."""

TEXT_BYTES = 1000
"""Of a text that is a category."""

_READ_AS: dict[Type | Literal["time"], Read] = {
    "number": "number",
    "code": "number",
    "boolean": "boolean",
    "text": "text",
    "time": "time",
}
_PLURAL: dict[Read, str] = {
    "number": "numbers",
    "boolean": "booleans",
    "time": "dates",
    "text": "texts",
}

_swap_point_and_comma = bytes.maketrans(b",.", b".,")
_has_decimal_comma = re.compile(r"[+-]?[0-9]+,[0-9]+").fullmatch
_has_point = re.compile(r"[+-]?[0-9]+\.[0-9]+").fullmatch


class Style(NamedTuple):
    """How the values of a file are written."""

    loose: bool
    """All are texts, and may mean anything."""
    missing: Array
    """The texts that mean a missing value."""
    decimal: Literal[".", ","] = "."


class Column:
    """A column that learns its type while it is read, batch by batch.

    The first values say how all are read. Where later ones cannot be read so, it becomes text, and
    what was read before must be read again.
    """

    def __init__(
        self,
        name: str,
        role: Role,
        style: Style,
        named_categorical: bool,
        expected: Type | Literal["time"] | None,
    ) -> None:
        """`expected`: the type that it has in the dataset's other revisions."""
        self.name = name
        self.role = role
        self.misfit = ""
        """Which value keeps the column from being numbers, and what to do."""
        self._style = style
        self._is_category = named_categorical if expected is None else expected == "code"
        self._is_fixed = expected is not None
        self._read: Read | None = _READ_AS[expected] if expected else None
        self._is_whole = True
        self._holds_names = False
        self._holds_strange_dates = False

    @property
    def type(self) -> Type | Literal["time"]:
        """As far as the values have told."""
        read = self._read or "number"
        return "code" if self._is_category and read == "number" else read

    @property
    def arrow_type(self) -> Any:
        """Of what `convert` returns."""
        return pa.string() if self.type == "code" else ARROW[self._read or "number"]

    @property
    def notes(self) -> list[str]:
        """What a person should know of how it was read."""
        notes = [self.misfit] if self.misfit else []
        if self._holds_names and self._read == "text":
            notes.append("whole numbers beyond 2**53, or with leading zeros, are read as text")
        if self._holds_strange_dates:
            notes.append("dates are in order only if they are written like 2020-12-31")
        return notes

    def place(self, row: int) -> str:
        """How a person finds a value; `row` is the number of rows before it."""
        return f"row {row + 1} of column {excerpt(self.name)}"

    def convert(self, array: Array, row: int) -> Array | None:
        """Values as the type of the column has them; `row` is the number of rows before them.

        Returns None if the type has just become another one.

        Raises:
            Invalid: A value is of no use in a column of this role.
            Conflict: A value is not of the expected type.
        """
        array = self._without_missing(values.plain(array))
        if array.null_count == len(array):
            return pa.nulls(len(array), self.arrow_type)
        is_first = self._read is None
        if self._read is None:
            self._read = self._first_read(array, row)
        found = self._read_as(self._read, array)
        if found is None:
            self._read = self._read_otherwise(self._read, array, row)
            return None
        if is_first and row > 0 and self.arrow_type != pa.float64():
            return None  # what is missing before was written as numbers
        if self.type == "code":
            return self._codes(found, row)
        if self.role == "other":
            is_infinite = self._read == "number" and pc.any(pc.is_inf(found)).as_py()
            return pc.if_else(pc.is_finite(found), found, None) if is_infinite else found
        self._check(found, row)
        return found

    def _without_missing(self, array: Array) -> Array:
        if not pa.types.is_string(array.type):
            return array
        if self._style.loose:
            trimmed = pc.ascii_trim_whitespace(array)
            if _length(trimmed) == _length(array):
                return array  # the reader of CSV has done the rest
            array = trimmed
        is_missing = pc.is_in(array, value_set=self._style.missing, skip_nulls=True)
        return pc.if_else(is_missing, None, array) if pc.any(is_missing).as_py() else array

    def _first_read(self, array: Array, row: int) -> Read:
        read = next(read for read in READERS if self._read_as(read, array) is not None)
        is_text = read == "text" and pa.types.is_string(array.type)
        if read == "time" or (is_text and not self._is_category and values.are_dates(array)):
            self._take_dates(array, is_known=read == "time")
        elif (
            is_text
            and self._style.loose
            and not self._holds_names
            and values.are_mostly_numbers(array)
        ):
            self._note_misfit(array, row)
        return read

    def _take_dates(self, array: Array, is_known: bool) -> None:
        if self.role == "other":
            self._holds_strange_dates = not is_known
            return
        are_texts = pa.types.is_string(array.type)
        example = array.drop_null()[:1].cast(pa.string())[0].as_py()
        what = f"column {excerpt(self.name)} holds dates, like {excerpt(example)}"
        if self.role == "target":
            raise Invalid(f"{what}: a target is a number, or one of two classes")
        raise Invalid(
            f"{what}: pass exclude={self.name}, and rows can still be ordered by them"
            + (f"; or categorical={self.name}, if they are mere words" if are_texts else "")
        )

    def _read_as(self, read: Read, array: Array) -> Array | None:
        if read == "number":
            return self._numbers(array)
        if read == "time" and self._is_category and pa.types.is_string(array.type):
            return None
        if read == "text" and not pa.types.is_string(array.type):
            return values.texts(array, loose=False) if self._holds_names or self._is_fixed else None
        return READERS[read](array, self._style.loose)

    def _numbers(self, array: Array) -> Array | None:
        found = values.numbers(self._with_point(array), self._style.loose)
        if found is None:
            return None
        is_nan = pc.is_nan(found)
        if pc.any(is_nan).as_py():
            found = pc.if_else(is_nan, None, found)
        if self._is_whole and not self._is_fixed:
            # A column with a fraction in it measures something, whatever else it holds.
            self._is_whole = pc.all(pc.equal(pc.floor(found), found), min_count=0).as_py()
            if self._is_whole and _any_names(array, found):
                self._holds_names = True
                return None
        return found

    def _with_point(self, array: Array) -> Array:
        if self._style.decimal == "." or not pa.types.is_string(array.type):
            return array
        validity, offsets, data = array.buffers()
        swapped = pa.py_buffer(
            (data.to_pybytes() if data else b"").translate(_swap_point_and_comma)
        )
        return pa.StringArray.from_buffers(
            len(array), offsets, swapped, validity, array.null_count, array.offset
        )

    def _read_otherwise(self, read: Read, array: Array, row: int) -> Read:
        """How the column is to be read instead, because some values cannot be read as before."""
        if read == "number" and self._holds_names:
            return "text"
        index = self._first_unreadable(read, array)
        found = f"{self.place(row + index)} is {excerpt(str(array[index].as_py()))}"
        if self._is_fixed:
            raise Conflict(f"{found}; in other revisions the column holds {_PLURAL[read]}")
        if not self._style.loose and not (read == "time" and pa.types.is_string(array.type)):
            raise Invalid(f"{found}; the values before are {_PLURAL[read]}")
        if read == "number":
            self._note_misfit(array, row)
        return "text"

    def _first_unreadable(self, read: Read, array: Array) -> int:
        start, stop = 0, len(array)
        while stop - start > 1:
            middle = (start + stop) // 2
            some = array[start:middle]
            if some.null_count < len(some) and self._read_as(read, some) is None:
                stop = middle
            else:
                start = middle
        return start

    def _note_misfit(self, array: Array, row: int) -> None:
        index = self._first_unreadable("number", array)
        value = array[index].as_py()
        if _has_decimal_comma(value):
            advice = "decimal=,"
        elif self._style.decimal == "," and _has_point(value):
            advice = "decimal=."
        else:
            advice = f"missing={value} if it means none"
        self.misfit = (
            f"row {row + index + 1} is {excerpt(value)}, where most values are numbers: "
            f"pass {advice}"
        )

    def _codes(self, found: Array, row: int) -> Array:
        self._refuse(pc.not_equal(pc.floor(found), found), found, row, "codes are whole numbers")
        return found.cast(pa.int64(), safe=False).cast(pa.string())

    def _check(self, found: Array, row: int) -> None:
        """Raises Invalid if a value is none to learn from."""
        if self._read == "number":
            self._refuse(pc.is_inf(found), found, row, "numbers must be finite")
        elif self._read == "text":
            is_long = pc.greater(pc.binary_length(found), TEXT_BYTES)
            self._refuse(is_long, found, row, f"texts must not be longer than {TEXT_BYTES} bytes")

    def _refuse(self, is_wrong: Array, found: Array, row: int, why: str) -> None:
        index = pc.index(is_wrong, True).as_py()
        if index >= 0:
            raise Invalid(
                f"{self.place(row + index)} is {excerpt(found[index].as_py())}: {why}"
                + (f"; mend it, or pass exclude={self.name}" if self.role == "feature" else "")
            )


def _length(array: Array) -> int:
    return pc.sum(pc.binary_length(array)).as_py() or 0


def _any_names(array: Array, found: Array) -> bool:
    """Whether one of some whole numbers, given with how they are written, is not to reckon with."""
    if pa.types.is_floating(array.type):
        return False
    large = array.filter(pc.greater_equal(pc.abs(found), LAST_EXACT))
    if not pa.types.is_string(array.type):
        return len(large) > 0
    with_zero = array.filter(pc.starts_with(array, "0"))
    return any(
        pc.any(pc.match_substring_regex(texts, form)).as_py()
        for texts, form in ((large, "^-?[0-9]+$"), (with_zero, "^0[0-9]+$"))
    )
