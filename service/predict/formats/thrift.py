"""Structs as Thrift's compact protocol writes them: those of which Parquet is made.

What other readers may take for something else than it is taken for here is refused.
"""

from typing import Any, NamedTuple

DEEPEST = 16
"""Structs and lists within one another; writers of Parquet make nine."""

GREATEST_NUMBER = 2**15 - 1
"""Of a field; others would begin anew from below."""


class Kind:
    """Of a value. No enumeration, for it is looked at for each byte or two."""

    TRUE = 1
    FALSE = 2
    BYTE = 3
    I16 = 4
    I32 = 5
    I64 = 6
    DOUBLE = 7
    BINARY = 8
    LIST = 9
    SET = 10
    STRUCT = 12


BYTES = {Kind.TRUE: 1, Kind.FALSE: 1, Kind.BYTE: 1, Kind.DOUBLE: 8}
"""How many each takes; in a struct, the kind of a truth value is all there is."""

BITS = {Kind.I16: 16, Kind.I32: 32, Kind.I64: 64}
"""How many a number has."""

Field = tuple[int, int]
"""The number of a field and its kind: readers pass over one of another kind."""

Struct = dict[Field, Any]
"""Numbers are what they say, and structs and lists what is in them; of all else it is only known
that it is there."""


class Elements(NamedTuple):
    """A list. Readers that know it take its elements for those of their own kind."""

    kind: int
    values: list[Any]


class Reader:
    """Reads a struct from the beginning of a body.

    All methods raise IndexError, KeyError or ValueError where there is not what they read.
    """

    def __init__(self, body: bytes | memoryview, with_lists: bool = True) -> None:
        self.place = 0
        self._body = body
        self._with_lists = with_lists

    def struct(self, depth: int = DEEPEST) -> Struct:
        """The struct that begins at `place`, where it ends afterwards."""
        found: Struct = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._number(Kind.I16)
            kind = head & 0x0F
            if not 0 < number <= GREATEST_NUMBER or (number, kind) in found:
                raise ValueError
            is_truth = kind in (Kind.TRUE, Kind.FALSE)
            found[number, kind] = None if is_truth else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in BITS:
            return self._number(kind)
        if kind in BYTES:
            self.place += BYTES[kind]
            return None
        if kind == Kind.BINARY:
            length = self._varint(31)
            self.place += length
            return None
        if depth > 1 and kind == Kind.STRUCT:
            return self.struct(depth - 1)
        if depth > 1 and kind in (Kind.LIST, Kind.SET) and self._with_lists:
            return self._list(depth - 1)
        raise ValueError

    def _list(self, depth: int) -> Elements:
        head = self._byte()
        size, kind = head >> 4, head & 0x0F
        if size == 15:
            size = self._varint(31)
        # Each takes a byte at least, and Parquet has no lists of lists.
        if size > len(self._body) - self.place or kind in (Kind.LIST, Kind.SET):
            raise ValueError
        return Elements(kind, [self._value(kind, depth) for _ in range(size)])

    def _number(self, kind: int) -> int:
        value = self._varint(BITS[kind])
        return (value >> 1) ^ -(value & 1)

    def _varint(self, bits: int) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if value >> bits or shift >= bits:
                raise ValueError
            if byte < 0x80:
                return value
            shift += 7

    def _byte(self) -> int:
        byte = self._body[self.place]
        self.place += 1
        return byte


def count(found: Struct, field: Field) -> int:
    """A number that is not negative. Raises KeyError or ValueError if there is none."""
    number: int = found[field]
    if number < 0:
        raise ValueError
    return number


def elements(found: Struct, number: int, kind: int) -> list[Any]:
    """What is in the list that a field is. Raises KeyError or ValueError if it is another one."""
    some: Elements = found[number, Kind.LIST]
    if some.values and some.kind != kind:
        raise ValueError
    return some.values
