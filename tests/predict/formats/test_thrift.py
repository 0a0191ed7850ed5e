import pytest

from service.predict.formats.thrift import DEEPEST, Elements, Kind, Reader, Struct, count, elements

STOP = b"\0"


def field(kind: int, distance: int = 1) -> bytes:
    """The head of a field so many numbers after the one before."""
    return bytes([16 * distance + kind])


def nested(depth: int) -> bytes:
    """Empty structs, so many within one another, each the first field of the next."""
    return field(Kind.STRUCT) * (depth - 1) + STOP * depth


def read(body: bytes) -> Struct:
    return Reader(body).struct()


def test_a_struct_is_its_fields_and_ends_where_it_says() -> None:
    number = field(Kind.I32) + b"\x06"
    numbers = field(Kind.LIST) + bytes([0x20 | Kind.I64, 0x02, 0x01])
    text = field(Kind.BINARY) + b"\x03abc"
    far = bytes([Kind.TRUE, 0xC8, 0x01])  # its number, 100, is not told by its distance
    none = bytes([Kind.LIST, 0xCA, 0x01, 0])
    body = number + numbers + text + far + none + STOP
    reader = Reader(body + b"after")
    assert reader.struct() == {
        (1, Kind.I32): 3,
        (2, Kind.LIST): Elements(Kind.I64, [1, -1]),
        (3, Kind.BINARY): None,
        (100, Kind.TRUE): None,
        (101, Kind.LIST): Elements(0, []),
    }
    assert reader.place == len(body)


def test_a_field_of_another_kind_is_another_field() -> None:
    found = read(field(Kind.I32) + b"\x08" + bytes([Kind.I64, 0x02, 0x02]) + STOP)
    assert count(found, (1, Kind.I32)) == 4
    assert count(found, (1, Kind.I64)) == 1


@pytest.mark.parametrize(
    "body",
    [
        field(Kind.I32) + b"\x02" + bytes([Kind.I32, 0x02, 0x04]) + STOP,
        field(Kind.TRUE, 15) * 2185 + STOP,
        bytes([Kind.TRUE, 0x01]) + STOP,
        nested(DEEPEST + 1),
        field(Kind.LIST) + bytes([0x10 | Kind.LIST, 0x10 | Kind.BYTE, 0]) + STOP,
        field(Kind.LIST) + bytes([0xF0 | Kind.BYTE, 0xFF, 0xFF, 0x7F]) + STOP * 10,
        field(11) + b"\0" + STOP,
        field(Kind.I32) + b"\xff" * 11,
        field(Kind.I32) + b"\x8e\x80\x80\x80\x10" + STOP,
        field(Kind.I64) + b"\x8e" + b"\x80" * 8 + b"\x02" + STOP,
        field(Kind.BINARY) + b"\x81\x80\x80\x80\x10a" + STOP,
        field(Kind.STRUCT),
    ],
    ids=[
        "a field twice",
        "numbers that begin anew",
        "a negative number of a field",
        "deeper than Parquet",
        "a list of lists",
        "a list longer than the body",
        "a map",
        "a number without an end",
        "a number of 33 bits for one of 32",
        "a number of 65 bits for one of 64",
        "a length of 33 bits",
        "no end",
    ],
)
def test_what_others_may_read_in_another_way_is_refused(body: bytes) -> None:
    with pytest.raises((IndexError, KeyError, ValueError)):
        read(body)


def test_structs_may_be_deep() -> None:
    assert read(nested(DEEPEST))


@pytest.mark.parametrize(("kind", "bits"), [(Kind.I16, 16), (Kind.I32, 32), (Kind.I64, 64)])
def test_numbers_are_as_large_as_their_kind_allows(kind: int, bits: int) -> None:
    value = 2**bits - 2
    raw = [value >> shift & 0x7F | 0x80 for shift in range(0, bits, 7)]
    body = field(kind) + bytes([*raw[:-1], raw[-1] & 0x7F]) + STOP
    assert read(body) == {(1, kind): 2 ** (bits - 1) - 1}


def test_lists_may_be_forbidden() -> None:
    body = field(Kind.LIST) + bytes([0x10 | Kind.BYTE, 0]) + STOP
    assert elements(read(body), 1, Kind.BYTE) == [None]
    with pytest.raises(ValueError, match=r"^$"):
        Reader(body, with_lists=False).struct()


def test_a_list_of_another_kind_is_refused_unless_it_is_empty() -> None:
    found: Struct = {(1, Kind.LIST): Elements(Kind.I32, [1]), (2, Kind.LIST): Elements(0, [])}
    assert elements(found, 1, Kind.I32) == [1]
    assert elements(found, 2, Kind.I32) == []
    with pytest.raises(ValueError, match=r"^$"):
        elements(found, 1, Kind.I64)
    with pytest.raises(KeyError):
        elements(found, 3, Kind.I32)


def test_a_count_is_not_negative() -> None:
    assert count({(1, Kind.I32): 0}, (1, Kind.I32)) == 0
    with pytest.raises(ValueError, match=r"^$"):
        count({(1, Kind.I32): -1}, (1, Kind.I32))
