"""Columns of pyarrow as columns of a dataset: what Arrow, Parquet and CSV have in common."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.schema import Column, Type
from service.errors import Invalid, TooLarge, excerpt
from service.predict.formats.intake import MUST_BE, Intake, code, missing
from service.predict.formats.question import TOO_MANY_ROWS, Features, Limits

# Of pyarrow, which is imported only where it is needed.
Table = Any
ChunkedArray = Any


class _Text:
    """How much text the columns of one request stand for.

    Of a dictionary, or of views, a few bytes can stand for a long text in every row. The rows
    share it here, but not in the network.
    """

    def __init__(self, most: int) -> None:
        self._most = self._left = most

    def count(self, lengths: NDArray[np.integer[Any]]) -> None:
        """Raises TooLarge once it is more than is allowed."""
        self._left -= int(lengths.sum(dtype=np.int64))
        if self._left < 0:
            raise TooLarge(f"its columns stand for a text of more than {self._most} characters")


def read(table: Table, intake: Intake, limits: Limits) -> Features:
    """Reads the columns of a `pyarrow.Table` whose names are known to be right.

    Raises:
        Invalid: A column is of another type, or a value cannot be in its column.
        TooLarge: It holds more rows, or more text, than is allowed.
    """
    rows = table.num_rows
    if rows > limits.rows:
        raise TooLarge(TOO_MANY_ROWS.format(limits.rows))
    names = set(table.column_names)
    text = _Text(limits.bytes)
    found = []
    for feature in intake.features:
        if feature.name not in names or _is_null(column := table.column(feature.name)):
            values = missing(feature, rows)
        else:
            values = _READERS[feature.type](column, feature, text)
        if feature.kind == "numeric":
            intake.refuse_unfit(feature, values)
        found.append(values)
    return intake.take(found)


def _is_null(column: ChunkedArray) -> bool:
    import pyarrow.types

    return bool(pyarrow.types.is_null(column.type))


def _numbers(column: ChunkedArray, feature: Column, _: _Text) -> NDArray[np.float64]:
    import pyarrow.types as of

    kind = column.type
    takes = [of.is_integer, of.is_floating, of.is_decimal]
    if feature.type == "boolean":
        takes = [of.is_boolean, *takes]
    if not any(fits(kind) for fits in takes):
        raise _other_type(column, feature)
    if of.is_boolean(kind):
        column = column.cast("uint8")
    numbers: NDArray[np.float64] = column.cast("float64", safe=False).to_numpy()
    return numbers


def _texts(column: ChunkedArray, feature: Column, text: _Text) -> NDArray[Any]:
    if not _is_text(_value_type(column)):
        raise _other_type(column, feature)
    return _words(column, text)


def _codes(column: ChunkedArray, feature: Column, text: _Text) -> NDArray[Any]:
    import pyarrow
    import pyarrow.types as of

    kind = _value_type(column)
    if _is_text(kind):
        words = _words(column, text)
        return np.array([word and code(word) for word in words], object)
    if of.is_dictionary(column.type):
        column = column.cast(kind)
    if of.is_floating(kind):  # as pandas has whole numbers of which some are missing
        try:
            column = column.cast("int64")
        except pyarrow.ArrowInvalid:
            raise Invalid(
                f"column {excerpt(feature.name)}: holds other than whole numbers"
            ) from None
    elif not of.is_integer(kind):
        raise _other_type(column, feature)
    return _words(column.cast("string"), text)


def _value_type(column: ChunkedArray) -> Any:
    import pyarrow.types

    is_dictionary = pyarrow.types.is_dictionary(column.type)
    return column.type.value_type if is_dictionary else column.type


def _is_text(kind: Any) -> bool:
    import pyarrow.types as of

    return any(fits(kind) for fits in (of.is_string, of.is_large_string, of.is_string_view))


def _words(column: ChunkedArray, text: _Text) -> NDArray[Any]:
    """Texts, with "" for each that is missing."""
    return np.concatenate([np.empty(0, object), *(_of_chunk(each, text) for each in column.chunks)])


def _of_chunk(array: Any, text: _Text) -> NDArray[Any]:
    import pyarrow.types as of

    if of.is_dictionary(array.type):
        words: NDArray[Any] = np.append(_of_chunk(array.dictionary, text), "")
        places = array.indices.cast("int64").fill_null(-1).to_numpy()
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        text.count(lengths + 1)  # a batch brings its whole dictionary, however few rows it has
        text.count(lengths[places])
        found: NDArray[Any] = words[places]
        return found
    if of.is_string_view(array.type) and len(array):
        end = array.offset + len(array)  # the buffer may be longer
        views = np.frombuffer(array.buffers()[1], np.int32, 4 * end).reshape(-1, 4)
        text.count(views[array.offset :, 0])
    found = array.to_numpy(zero_copy_only=False)
    if array.null_count:
        found[~array.is_valid().to_numpy(zero_copy_only=False)] = ""
    return found


def _other_type(column: ChunkedArray, feature: Column) -> Invalid:
    received = str(column.type)[:60]
    return Invalid(
        f"column {excerpt(feature.name)}: each value must be {MUST_BE[feature.type]}, "
        f"received {received}"
    )


_READERS: dict[Type, Callable[[ChunkedArray, Column, _Text], NDArray[Any]]] = {
    "number": _numbers,
    "boolean": _numbers,
    "text": _texts,
    "code": _codes,
}
