"""Columns of values as JSON has them: what the forms of other protocols that hold them come to."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.schema import Column
from service.errors import Invalid, TooLarge
from service.predict.formats.intake import Intake, missing
from service.predict.formats.json_format import COLUMNS, TYPES
from service.predict.formats.question import TOO_MANY_ROWS, Features, Limits


def read(columns: Mapping[str, Sequence[Any]], intake: Intake, limits: Limits) -> Features:
    """Reads columns by their names, in any order; of a table, some may be absent.

    Raises:
        Invalid: They are others, of different lengths, or a value cannot be in its column.
        TooLarge: They have more rows than are allowed.
    """
    intake.refuse_others(columns)
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise Invalid("instances: the columns must be of one length")
    rows = max(lengths, default=0)
    if rows > limits.rows:
        raise TooLarge(TOO_MANY_ROWS.format(limits.rows))
    found = []
    for feature in intake.features:
        if feature.name in columns:
            found.append(_read(columns[feature.name], feature, intake))
        else:
            found.append(missing(feature, rows))
    return intake.take(found)


def _read(values: Sequence[Any], feature: Column, intake: Intake) -> NDArray[Any]:
    kind: Any = TYPES[feature.type]
    kind = kind if intake.are_triples else kind | None
    try:
        fitting = msgspec.convert(values, list[kind])
    except msgspec.ValidationError as error:
        for row, value in enumerate(values):
            if wrong := intake.wrong_value(row, feature.name, feature, value):
                raise wrong from None
        raise Invalid(f"instances: {error}") from None
    column = COLUMNS[feature.type](fitting)
    if feature.kind == "numeric":
        intake.refuse_unfit(feature, np.asarray(column, np.float64))
    return column
