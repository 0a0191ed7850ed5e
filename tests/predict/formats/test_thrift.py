import pytest

from service.predict.formats.thrift import BINARY, I32, I64, LIST, STRUCT, TRUE, count, struct

STOP = b"\0"


def nested(body: bytes, depth: int) -> bytes:
    """A struct within so many others, each the first field of the next."""
    return bytes([0x10 | STRUCT]) * depth + body + STOP * depth


def test_a_struct_is_its_fields_and_ends_where_it_says() -> None:
    number = bytes([0x10 | I32, 0x06])
    numbers = bytes([0x10 | LIST, 0x20 | I64, 0x02, 0x01])
    text = bytes([0x10 | BINARY, 0x03]) + b"abc"
    far = bytes([TRUE, 0xC8, 0x01])  # its number, 100, is not told by its distance
    body = number + numbers + text + far + STOP
    expected = {(1, I32): 3, (2, LIST): [1, -1], (3, BINARY): None, (100, TRUE): None}
    assert struct(body + b"more", 0) == (expected, len(body))


def test_a_field_of_another_kind_is_another_field() -> None:
    fields, _ = struct(bytes([0x10 | I32, 0x08, I64, 0x02, 0x02]) + STOP, 0)
    assert count(fields, (1, I32)) == 4
    assert count(fields, (1, I64)) == 1


@pytest.mark.parametrize(
    "body",
    [
        bytes([0x10 | I32, 0x02, I32, 0x02, 0x04]) + STOP,
        bytes([0xF0 | TRUE]) * 2185 + STOP,
        bytes([I32, 0x01, 0x02]) + STOP,
        nested(STOP, 8),
        bytes([0x10 | LIST]) + bytes([0x10 | LIST]) * 10 + STOP * 10,
        bytes([0x10 | LIST, 0xF3, 0xFF, 0xFF, 0x7F]) + STOP * 10,
        bytes([0x10 | 11, 0x00]) + STOP,
        bytes([0x10 | I32]) + b"\xff" * 11,
        bytes([0x10 | STRUCT]),
    ],
    ids=[
        "a field twice",
        "numbers that begin anew",
        "a negative number of a field",
        "deeper than Parquet",
        "lists in lists",
        "a list longer than the body",
        "a map",
        "a number without an end",
        "no end",
    ],
)
def test_what_others_may_read_in_another_way_is_refused(body: bytes) -> None:
    with pytest.raises((IndexError, KeyError, ValueError)):
        struct(body, 0)


def test_structs_may_be_as_deep_as_those_of_parquet() -> None:
    assert struct(nested(STOP, 7), 0)[1] == 15


@pytest.mark.parametrize(("kind", "value"), [(I32, -1), (I32, 2**31), (I64, -1), (I64, 2**63)])
def test_a_count_is_not_negative_and_of_its_size(kind: int, value: int) -> None:
    assert count({(1, kind): 2**31 - 1}, (1, kind)) == 2**31 - 1
    with pytest.raises(ValueError, match=r"^$"):
        count({(1, kind): value}, (1, kind))
