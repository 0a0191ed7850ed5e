"""Structs as Thrift's compact protocol writes them: those of which Parquet is made.

A field is known by its number and its kind, for other readers pass over one of another kind. What
they might read otherwise than it is read here is refused.
"""

from collections.abc import Callable, Mapping
from typing import Any

DEEPEST = 8
"""Structs and lists within one another: as many as Parquet has."""

GREATEST_NUMBER = 2**15 - 1
"""Of a field; others would begin anew from below."""

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, STRUCT = (
    *(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12),
)

Field = tuple[int, int]
"""The number of a field and its kind."""

Struct = dict[Field, Any]


def struct(body: bytes, place: int, depth: int = DEEPEST) -> tuple[Struct, int]:
    """The fields of a struct, and where it ends.

    Numbers are what they say, structs and lists what is in them; of the rest it is only known that
    it is there.

    Raises:
        IndexError, KeyError, ValueError: It is none, or one that others may read in another way.
    """
    found: Struct = {}
    number = 0
    while head := body[place]:
        kind = head & 0x0F
        if head >> 4:
            number, place = number + (head >> 4), place + 1
        else:
            number, place = _integer(body, place + 1)
        if not 0 < number <= GREATEST_NUMBER or (number, kind) in found:
            raise ValueError
        if kind in (TRUE, FALSE):
            found[number, kind] = None  # the kind is all there is
        else:
            found[number, kind], place = _value(body, place, kind, depth)
    return found, place + 1


def count(fields: Struct, field: Field) -> int:
    """A number that is not negative. Raises KeyError or ValueError if there is none."""
    number = fields[field]
    if not 0 <= number < 2 ** (31 if field[1] == I32 else 63):
        raise ValueError
    return int(number)


def _value(body: bytes, place: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind not in (STRUCT, LIST, SET):
        return _READ[kind](body, place)
    if depth == 1:
        raise ValueError
    return (struct if kind == STRUCT else _list)(body, place, depth - 1)


def _list(body: bytes, place: int, depth: int) -> tuple[list[Any], int]:
    head = body[place]
    size, kind, place = head >> 4, head & 0x0F, place + 1
    if size == 15:
        size, place = _varint(body, place)
    if size > len(body) - place:  # each takes a byte at least
        raise ValueError
    found = []
    for _ in range(size):
        value, place = _value(body, place, kind, depth)
        found.append(value)
    return found, place


def _varint(body: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, place
        if shift > 63:
            raise ValueError


def _integer(body: bytes, place: int) -> tuple[int, int]:
    value, place = _varint(body, place)
    return (value >> 1) ^ -(value & 1), place


def _binary(body: bytes, place: int) -> tuple[None, int]:
    length, place = _varint(body, place)
    return None, place + length


def _bytes(length: int) -> Callable[[bytes, int], tuple[None, int]]:
    return lambda body, place: (None, place + length)


_READ: Mapping[int, Callable[[bytes, int], tuple[Any, int]]] = {
    **dict.fromkeys((TRUE, FALSE, BYTE), _bytes(1)),  # in a list, a truth value takes a byte
    **dict.fromkeys((I16, I32, I64), _integer),
    DOUBLE: _bytes(8),
    BINARY: _binary,
}
"""How values of other kinds are read; Parquet has no maps."""
