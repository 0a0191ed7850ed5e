"""npy bodies: NumPy's files of one array. Nothing is unpickled."""

import io
from functools import lru_cache
from typing import Any

import numpy as np

from models.config import ModelName
from service.errors import BadRequest, Invalid, excerpt
from service.predict.formats.intake import Intake
from service.predict.formats.question import (
    Features,
    Limits,
    Predictions,
    finite_predictions,
    refuse_first,
)

MAX_HEADER_BYTES = 1000


def read(body: bytes, intake: Intake, limits: Limits) -> Features:
    """Reads an array `(rows, columns)` of float32 or float64; in that of a table, NaN is missing.

    Raises:
        BadRequest: It is not an npy file.
        Invalid: It is another array, or the table has columns that are no numbers.
    """
    counted_by = 2 if body[6:7] == b"\1" else 4  # the version says how wide the length is
    length = 8 + counted_by + int.from_bytes(body[8 : 8 + counted_by], "little")
    if length > MAX_HEADER_BYTES:
        raise BadRequest(f"the npy file has a header of more than {MAX_HEADER_BYTES} bytes")
    shape, fortran, dtype = _header(body[:length])
    if words := intake.schema.categorical:
        raise Invalid(
            f"column {excerpt(words[0].name)}: it is no number, and an npy file holds only numbers"
        )
    width = len(intake.names)
    if dtype.kind != "f" or dtype.itemsize not in (4, 8):
        raise Invalid(f"the array must hold float32 or float64, received {dtype.str[:20]}")
    if [type(size) for size in shape] != [int, int] or shape[1] != width:
        raise Invalid(f"the array must have the shape (rows, {width}), received {str(shape)[:60]}")
    if len(body) - length != shape[0] * width * dtype.itemsize:
        raise BadRequest("the npy file is longer or shorter than its header says")
    matrix = np.frombuffer(body, dtype, offset=length).reshape(shape, order="F" if fortran else "C")
    wrong = ~np.isfinite(matrix) if intake.are_triples else np.isinf(matrix)
    refuse_first(wrong, "it is not a finite number")
    if intake.are_triples:
        return {"features": matrix}
    by_column = np.ascontiguousarray(matrix.T, np.float64)
    for feature, column in zip(intake.features, by_column, strict=True):
        intake.refuse_unfit(feature, column)
    return intake.take([*by_column])


def write(predictions: Predictions, model: ModelName, version: int) -> bytes:
    """Writes an array `(rows,)` of the model's precision."""
    header = _header_for(predictions.dtype.str, len(predictions))
    return header + finite_predictions(predictions).tobytes()


# Clients send the same few headers, and to read one costs three times the prediction.
@lru_cache(maxsize=256)
def _header(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """The shape, whether it is in Fortran's order, and the type of the elements."""
    file = io.BytesIO(header)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        return readers[np.lib.format.read_magic(file)](file)
    except Exception:  # a header is a Python literal: whatever Python's tokenizer raises
        raise BadRequest("the body is not an npy file of version 1.0 or 2.0") from None


@lru_cache(maxsize=256)
def _header_for(dtype: str, rows: int) -> bytes:
    file = io.BytesIO()
    described = {"descr": dtype, "fortran_order": False, "shape": (rows,)}
    np.lib.format.write_array_header_1_0(file, described)
    return file.getvalue()
