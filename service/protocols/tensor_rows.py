"""Rows as tensors: the matrix of triples, or a vector for each column."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.config import FEATURES
from models.schema import Column
from service.errors import Invalid, TooLarge
from service.predict.formats.intake import MUST_BE, Intake, code, missing
from service.predict.formats.question import TOO_MANY_ROWS, Features, Limits, refuse_first
from service.protocols.tensors import BYTES, NUMBERS, Tensor, shown


def read(tensors: Sequence[Tensor], intake: Intake, limits: Limits) -> Features:
    """Reads tensors by their names, in any order; of a table, some may be absent.

    What is missing is NaN or an empty text, as in the network itself.

    Raises:
        Invalid: They are others, of other shapes or types, or a value cannot be in its column.
        TooLarge: They have more rows than are allowed.
    """
    rows = _rows_of(tensors, limits)
    if intake.are_triples and [each.name for each in tensors] == ["features"]:
        (tensor,) = tensors
        _check_shape(tensor, [(rows, FEATURES)])
        return matrix(_numbers(tensor).reshape(rows, FEATURES))
    intake.refuse_others(each.name for each in tensors)
    by_name = {each.name: each for each in tensors}
    for tensor in tensors:
        _check_shape(tensor, [(rows,), (rows, 1)])
    columns = []
    for feature in intake.features:
        if feature.name not in by_name:
            columns.append(missing(feature, rows))
        elif feature.kind == "numeric":
            column = np.ascontiguousarray(_numbers(by_name[feature.name], feature), np.float64)
            intake.refuse_unfit(feature, column)
            columns.append(column)
        else:
            columns.append(_words(by_name[feature.name], feature))
    return intake.take(columns)


def matrix(triples: NDArray[Any]) -> Features:
    """What a network of triples takes, of a matrix `(rows, 3)` of numbers."""
    refuse_first(~np.isfinite(triples), "it is not a finite number")
    return {"features": triples}


def _rows_of(tensors: Sequence[Tensor], limits: Limits) -> int:
    if not tensors:
        raise Invalid("inputs: it is empty")
    for tensor in tensors:
        if not tensor.shape or min(tensor.shape) < 0:
            raise tensor.refusal("its shape must begin with the number of rows")
    rows = tensors[0].shape[0]
    if rows == 0:
        raise Invalid("instances: it is empty")
    if rows > limits.rows:
        raise TooLarge(TOO_MANY_ROWS.format(limits.rows))
    return rows


def _check_shape(tensor: Tensor, allowed: list[tuple[int, ...]]) -> None:
    if tensor.shape not in allowed:
        shapes = " or ".join(map(shown, allowed))
        raise tensor.refusal(f"its shape must be {shapes}, received {shown(tensor.shape)}")


def _numbers(tensor: Tensor, feature: Column | None = None) -> NDArray[Any]:
    takes_truths = feature is not None and feature.type == "boolean"
    if tensor.datatype == BYTES or (tensor.datatype == "BOOL" and not takes_truths):
        raise _other_type(tensor, MUST_BE[feature.type if feature else "number"])
    return tensor.values()


def _words(tensor: Tensor, feature: Column) -> NDArray[Any]:
    if feature.type == "code" and "INT" in tensor.datatype and tensor.datatype in NUMBERS:
        return np.array([str(value) for value in tensor.values().tolist()], object)
    if tensor.datatype != BYTES:
        raise _other_type(tensor, MUST_BE[feature.type])
    words = tensor.values()
    if feature.type == "text":
        return words
    return np.array([word and code(word) for word in words], object)


def _other_type(tensor: Tensor, must_be: str) -> Invalid:
    return tensor.refusal(f"each value must be {must_be}, received {tensor.datatype[:20]}")
