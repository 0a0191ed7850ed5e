"""How values are read: as numbers, booleans, times or texts.

A reader returns None if one of the values cannot be read so. Texts of CSV are `loose`: they may
mean anything. Those of other formats are texts, or times.
"""

import re
from collections.abc import Callable
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

Array = Any
"""A `pyarrow.Array`: pyarrow has no types of its own for mypy."""

Read = Literal["number", "boolean", "time", "text"]
Reader = Callable[[Array, bool], Array | None]

ARROW: dict[Read, Any] = {
    "number": pa.float64(),
    "boolean": pa.float64(),
    "time": pa.timestamp("us"),
    "text": pa.string(),
}

_DATE = (
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?|\d{4}[/.]\d\d?[/.]\d\d?( .*)?|"
    r"\d\d?[./-]\d\d?[./-]\d\d(\d\d)?(,? .*)?"
)
_is_date = re.compile(_DATE).fullmatch
_NUMBER = r"^[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)([eE][+-]?[0-9]+)?$"

_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_YEAR_1, _YEAR_10000 = -62_135_596_800, 253_402_300_800
"""Their beginnings, in seconds."""

_ISO = [pa.timestamp(unit, zone) for unit in ("us", "ns") for zone in (None, "UTC")]
_FORMATS = ("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S")
"""Of other dates, those that cannot be confused: 1/2/2020 is two days."""


def is_readable(kind: Any) -> bool:
    """Whether values of an Arrow type can be numbers, booleans, times or texts."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = (
        *(pa.types.is_null, pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating),
        *(pa.types.is_decimal, pa.types.is_date, pa.types.is_timestamp),
        *(pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    )
    return any(test(kind) for test in tests)


def plain(array: Array) -> Array:
    """The same values without a dictionary, as one of few types: float64, string, …"""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = array.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return array.cast(pa.string())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return array.cast(pa.float64())
    return array


def numbers(array: Array, loose: bool) -> Array | None:
    """As float64; NaN remains."""
    kind = array.type
    if pa.types.is_integer(kind):
        return array.cast(pa.float64(), safe=False)
    if pa.types.is_floating(kind):
        return array
    return _cast(array, pa.float64()) if loose and pa.types.is_string(kind) else None


def booleans(array: Array, loose: bool) -> Array | None:
    """As float64, 0.0 or 1.0."""
    if pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
        found = array.cast(pa.float64(), safe=False)
        both = pc.or_(pc.equal(found, 0), pc.equal(found, 1))
        return found if pc.all(both, min_count=0).as_py() else None
    if pa.types.is_boolean(array.type) or (loose and pa.types.is_string(array.type)):
        found = _cast(array, pa.bool_())
        return None if found is None else found.cast(pa.float64())
    return None


def times(array: Array, loose: bool) -> Array | None:
    """As timestamps in microseconds: in UTC, if the values tell a zone."""
    if pa.types.is_date(array.type) or pa.types.is_timestamp(array.type):
        return _microseconds(array)
    if not pa.types.is_string(array.type) or not _is_date(str(first(array))):
        return None
    attempts: list[Callable[[], Array]] = [
        *(lambda kind=kind: array.cast(kind) for kind in _ISO),
        *(lambda text=text: pc.strptime(array, format=text, unit="us") for text in _FORMATS),
    ]
    for attempt in attempts:
        try:
            return _microseconds(attempt())
        except pa.ArrowInvalid:
            continue
    return None


def texts(array: Array, loose: bool) -> Array | None:
    """As texts, as which numbers are read that are names."""
    if pa.types.is_string(array.type):
        return array
    return array.cast(pa.string()) if pa.types.is_integer(array.type) else None


READERS: dict[Read, Reader] = {
    "number": numbers,
    "boolean": booleans,
    "time": times,
    "text": texts,
}
"""In the order in which they are tried."""


def first(array: Array) -> Any:
    """The first value that is not missing, as Python has it; None if all are."""
    present = pc.index(array.is_valid(), True).as_py()
    return None if present < 0 else array[present].as_py()


def first_unreadable(reader: Reader, array: Array, loose: bool) -> int:
    """The index of the first value that cannot be read so. There must be one."""
    start, stop = 0, len(array)
    while stop - start > 1:
        middle = (start + stop) // 2
        if reader(array[start:middle], loose) is None:
            stop = middle
        else:
            start = middle
    return start


def are_dates(array: Array) -> bool:
    """Whether all texts look like dates, in whatever form."""
    matching = pc.match_substring_regex(array, f"^({_DATE})$")
    return bool(pc.all(matching, min_count=1).as_py())


def are_mostly_numbers(array: Array) -> bool:
    """Whether more than half of the texts look like numbers, with a point or a comma."""
    share = pc.mean(pc.match_substring_regex(array, _NUMBER).cast(pa.float64())).as_py()
    return share is not None and share > 0.5


def _cast(array: Array, kind: Any) -> Array | None:
    try:
        return array.cast(kind)
    except pa.ArrowInvalid:
        return None


def _microseconds(array: Array) -> Array:
    """Times in UTC; what lies beyond the years of a calendar is missing."""
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("s" if pa.types.is_date32(array.type) else "ms"))
    units = _UNITS[array.type.unit]
    bounds = [max(-(2**63), min(seconds * units, 2**63 - 1)) for seconds in (_YEAR_1, _YEAR_10000)]
    ticks = array.cast(pa.int64())
    is_inside = pc.and_(pc.greater_equal(ticks, bounds[0]), pc.less(ticks, bounds[1]))
    array = pc.if_else(is_inside, array, None)
    return array.cast(pa.timestamp("us", array.type.tz), safe=False).cast(pa.timestamp("us"))
