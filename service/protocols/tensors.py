"""The tensors of the Open Inference Protocol: as JSON, and as Triton's raw bytes.

Numbers are little-endian. A text of a `BYTES` tensor stands behind its length, four bytes of it.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from service.errors import Invalid, excerpt
from service.http import json_body

BYTES = "BYTES"

NUMBERS: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    **{f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
"""The datatypes of numbers."""

DATATYPES: Mapping[type, str] = {np.float32: "FP32", np.float64: "FP64", np.object_: BYTES}
"""What a network takes and says, as it is called here."""

_DECODERS = {
    kind: msgspec.json.Decoder(list[of]).decode  # type: ignore[valid-type]
    for kind, of in {"b": bool, "i": int, "u": int, "f": float | None}.items()
}
_decode_texts = msgspec.json.Decoder(list[str]).decode
_decode_nested_texts = msgspec.json.Decoder(list[tuple[str]]).decode


def shown(shape: tuple[int, ...]) -> str:
    """The beginning of a shape."""
    return str([*shape[:4]])[:60]


class Tensor(NamedTuple):
    """A tensor as it came."""

    name: str
    shape: tuple[int, ...]
    datatype: str
    data: msgspec.Raw | memoryview
    """Of JSON, or as raw bytes."""

    def values(self) -> NDArray[Any]:
        """The elements, one behind the other; texts as objects. NaN stands for null.

        Raises:
            Invalid: They are not as many, or not of the type, as is said.
        """
        if self.datatype == BYTES:
            texts = self._raw_texts if isinstance(self.data, memoryview) else self._json_texts
            return np.array([*texts()], object)
        if self.datatype not in NUMBERS:
            raise self.refusal(f"its datatype {excerpt(self.datatype)} is not known")
        if isinstance(self.data, memoryview):
            return self._raw_numbers(NUMBERS[self.datatype])
        return self._json_numbers(NUMBERS[self.datatype])

    @property
    def size(self) -> int:
        """How many elements it must have."""
        return math.prod(self.shape)

    def refusal(self, what: str) -> Invalid:
        """Why it is refused."""
        return Invalid(f"input {excerpt(self.name)}: {what}")

    def _of_other_size(self, received: int, what: str) -> Invalid:
        return self.refusal(f"{received} {what} do not fill the shape {shown(self.shape)}")

    def _raw_numbers(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        if len(self.data) != self.size * dtype.itemsize:
            raise self._of_other_size(len(self.data), f"bytes of {self.datatype}")
        if dtype.kind == "b":  # any other byte than 0 is true
            truths: NDArray[np.bool_] = np.frombuffer(self.data, np.uint8) != 0
            return truths
        return np.require(np.frombuffer(self.data, dtype), requirements="A")

    def _raw_texts(self) -> Iterator[str]:
        data, place, found = bytes(self.data), 0, 0
        while place < len(data):
            begins = place + 4
            place = begins + int.from_bytes(data[place:begins], "little")
            if place > len(data):
                raise self.refusal("its last text is cut short")
            found += 1
            if found > self.size:
                break
            yield self._text(data[begins:place])
        if found != self.size:
            raise self._of_other_size(found, "texts")

    def _text(self, encoded: bytes) -> str:
        try:
            return encoded.decode()
        except UnicodeDecodeError:
            raise self.refusal("its texts must be UTF-8") from None

    def _json_numbers(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        text = bytes(self.data)
        found = text.count(b",") + 1
        if found != self.size:
            raise self._of_other_size(found, "values")
        if text.count(b"[") > 1:
            text = self._flat(text)
        try:
            values = _DECODERS[dtype.kind](text)
        except msgspec.ValidationError as error:
            what, _, path = str(error).partition(" - at `$")
            raise self.refusal(f"data{path.removesuffix('`')}: {what}") from None
        except json_body.UNREADABLE:  # there was an empty array in it
            values = []
        if len(values) != self.size:
            raise self._of_other_size(found - 1, "values")
        if dtype.kind in "iu":
            bounds = np.iinfo(dtype)
            if min(values) < bounds.min or max(values) > bounds.max:
                raise self.refusal(f"its values must be {self.datatype}")
            return np.array(values, dtype)
        with np.errstate(over="ignore"):  # what is too large shows as infinite
            return np.array(values, np.float64).astype(dtype)

    def _flat(self, text: bytes) -> bytes:
        """Nested numbers without their inner brackets. Raises Invalid if it is ragged."""
        signs = np.frombuffer(text, np.uint8)
        ends = np.flatnonzero(signs == ord("]"))[:-1]
        rows, width = self.shape[0], self.size // self.shape[0]
        commas = np.cumsum(signs == ord(","))[ends]
        if not np.array_equal(commas, width * np.arange(1, rows + 1) - 1):
            raise self.refusal("its data must be flat, or nested as its shape says")
        return b"[" + text.translate(None, b"[]") + b"]"

    def _json_texts(self) -> list[str]:
        try:
            try:
                texts = _decode_texts(self.data)
            except msgspec.ValidationError:
                texts = [text for (text,) in _decode_nested_texts(self.data)]
        except (msgspec.ValidationError, *json_body.UNREADABLE) as error:
            raise self.refusal(f"its data must be texts: {error}") from None
        if len(texts) != self.size:
            raise self._of_other_size(len(texts), "texts")
        return texts
