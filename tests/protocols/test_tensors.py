"""Tensors, as JSON and as raw bytes."""

import json
import math
import struct
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import CrosscheckError, Invalid
from service.protocols.tensors import NUMBERS, Tensor


def in_json(datatype: str, shape: tuple[int, ...], data: Any) -> Tensor:
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Tensor("x", shape, datatype, msgspec.Raw(text))


def raw(datatype: str, shape: tuple[int, ...], data: bytes) -> Tensor:
    return Tensor("x", shape, datatype, memoryview(data))


def texts(*words: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(word)) + word for word in words)


@pytest.mark.parametrize("datatype", NUMBERS)
def test_numbers_of_every_type_are_read_flat_nested_and_raw(datatype: str) -> None:
    values = np.array([0, 1, 1, 0, 1, 0], NUMBERS[datatype])
    for given_values in (values, values.reshape(3, 2)):
        found = in_json(datatype, (3, 2), given_values.tolist()).values()
        assert found.dtype == values.dtype
        np.testing.assert_array_equal(found, values)
    np.testing.assert_array_equal(raw(datatype, (6,), values.tobytes()).values(), values)


def test_raw_numbers_are_read_wherever_they_begin() -> None:
    numbers = np.arange(4.0)
    for start in range(9):
        data = memoryview(bytes(start) + numbers.tobytes())[start:]
        found = Tensor("x", (4,), "FP64", data).values()
        assert found.flags.aligned
        np.testing.assert_array_equal(found, numbers)


def test_a_number_of_json_is_rounded_to_its_type() -> None:
    assert in_json("FP32", (1,), [0.1]).values()[0] == np.float32(0.1)
    assert in_json("FP32", (1,), [1e39]).values()[0] == np.inf
    assert math.isnan(in_json("FP64", (1,), [None]).values()[0])
    assert in_json("INT64", (1,), [2**63 - 1]).values()[0] == 2**63 - 1
    assert in_json("UINT64", (1,), [2**64 - 1]).values()[0] == 2**64 - 1


def test_any_byte_but_0_is_true() -> None:
    assert raw("BOOL", (3,), b"\0\1\xff").values().tolist() == [False, True, True]


def test_texts_are_read_flat_nested_and_raw() -> None:
    words = ["Oslo", "", "ü[,]\n"]
    assert in_json("BYTES", (3,), words).values().tolist() == words
    assert in_json("BYTES", (3, 1), [[word] for word in words]).values().tolist() == words
    encoded = texts(*(word.encode() for word in words))
    assert raw("BYTES", (3,), encoded).values().tolist() == words


BAD = [
    (in_json("FP64", (2,), [1]), "1 values do not fill the shape"),
    (in_json("FP64", (2,), [1, 2, 3]), "3 values"),
    (in_json("FP64", (2,), []), "1 values"),
    (in_json("FP64", (1,), []), "0 values"),
    (in_json("FP64", (2, 2), [[1, 2], [3, 4, 5]]), "5 values"),
    (in_json("FP64", (2, 2), [[1], [2, 3, 4]]), "nested as its shape says"),
    (in_json("FP64", (4,), [[1, 2], [3, 4]]), "nested as its shape says"),
    (in_json("FP64", (1, 2), [[[1, 2]]]), "nested as its shape says"),
    (in_json("FP64", (2, 1), [[1], []]), "do not fill|nested"),
    (in_json("FP64", (1,), ["1"]), r"data\[0\]: Expected `float \| null`, got `str`"),
    (in_json("FP64", (1,), [True]), "got `bool`"),
    (in_json("FP64", (1,), 1), "Expected `array`"),
    (in_json("FP64", (1,), b"[1e999]"), "out of range"),
    (in_json("INT32", (1,), [1.5]), "Expected `int`"),
    (in_json("INT32", (1,), [None]), "Expected `int`"),
    (in_json("INT8", (1,), [128]), "must be INT8"),
    (in_json("UINT8", (1,), [-1]), "must be UINT8"),
    (in_json("INT64", (1,), [2**63]), "must be INT64"),
    (in_json("BOOL", (1,), [1]), "Expected `bool`"),
    (in_json("BYTES", (1,), [1]), "must be texts"),
    (in_json("BYTES", (1,), b'["\xff"]'), "must be texts"),
    (in_json("FP64", (1,), b'["\xff"]'), "data"),
    (in_json("BYTES", (2,), ["a"]), "1 texts do not fill"),
    (in_json("BYTES", (1,), [["a", "b"]]), "must be texts"),
    (in_json("BF16", (1,), [1]), "not known"),
    (in_json("fp32", (1,), [1]), "not known"),
    (raw("FP64", (1,), bytes(7)), "7 bytes of FP64 do not fill"),
    (raw("FP64", (1,), bytes(16)), "16 bytes of FP64"),
    (raw("BYTES", (1,), texts(b"a")[:-1]), "cut short"),
    (raw("BYTES", (1,), b"\1\0"), "cut short"),
    (raw("BYTES", (2,), texts(b"a")), "1 texts do not fill"),
    (raw("BYTES", (1,), texts(b"a", b"b")), "2 texts"),
    (raw("BYTES", (1,), texts(b"\xff")), "must be UTF-8"),
]


@pytest.mark.parametrize(("tensor", "named"), BAD, ids=[named for _, named in BAD])
def test_what_is_not_as_is_said_is_refused(tensor: Tensor, named: str) -> None:
    with pytest.raises(Invalid, match=named) as refusal:
        tensor.values()
    assert refusal.value.detail.startswith('input "x": ')
    assert len(refusal.value.detail) < 300


@given(st.binary(max_size=60), st.sampled_from(["BYTES", *NUMBERS]), st.integers(1, 9))
def test_no_bytes_are_more_than_refused(data: bytes, datatype: str, size: int) -> None:
    try:
        assert len(raw(datatype, (size,), data).values()) == size
    except CrosscheckError as error:
        assert error.status == 422


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
)


@given(JSON, st.sampled_from(["BYTES", *NUMBERS]), st.lists(st.integers(1, 3), min_size=1))
def test_no_json_is_more_than_refused(data: Any, datatype: str, shape: list[int]) -> None:
    try:
        text = msgspec.json.encode(data)
        found = in_json(datatype, tuple(shape), text).values()
        assert found.size == math.prod(shape)
    except CrosscheckError as error:
        assert error.status == 422
