"""Rows as other protocols have them in JSON: row by row, or column by column.

Each function reads them by the columns of the version that answers, into what a network takes.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NoReturn, TypeVar

import msgspec

from service.errors import BadRequest, Invalid, TooLarge
from service.http import json_body
from service.predict.formats import json_columns, json_format
from service.predict.formats.intake import Intake
from service.predict.formats.question import TOO_MANY_ROWS, Features, Limits

Unread = Features | Callable[[Intake, Limits], Features]
"""What stands for the instances of a question: what was read at once, or who reads it."""

T = TypeVar("T")

ABSENT = msgspec.Raw()
"""A member that is not there."""

Triple = tuple[float, float, float]


class _ByInput(msgspec.Struct, forbid_unknown_fields=True):
    """A triple by the name of the network's input."""

    features: Triple


class Split(msgspec.Struct):
    """A data frame as pandas splits it."""

    data: msgspec.Raw
    columns: list[str | int] | None = None


_begins_by_input = re.compile(rb'\s*\[\s*\{\s*"features"').match
_decode_by_input = msgspec.json.Decoder(list[_ByInput]).decode
# 1e999 is a number that is too large: it is refused by its name.
_decode_columns = msgspec.json.Decoder(dict[str, list[Any]], float_hook=float).decode
_decode_table = msgspec.json.Decoder(list[list[Any]], float_hook=float).decode


def instances(rows: msgspec.Raw, intake: Intake, limits: Limits) -> Features:
    """Reads `[[…], {…}]`: arrays and objects by column name, or by the name of the input."""
    if not (intake.are_triples and _begins_by_input(rows)):
        return json_format.read(rows, intake, limits)
    try:
        return json_format.matrix([row.features for row in _decode_by_input(rows)])
    except (msgspec.ValidationError, *json_body.UNREADABLE) as error:
        refuse(error, "instances")


def inputs(values: msgspec.Raw, intake: Intake, limits: Limits) -> Features:
    """Reads `{"column": […], …}`, or what `instances` reads; the input's name is a column, too."""
    if not bytes(values).startswith(b"{"):
        return instances(values, intake, limits)
    return by_column(_read(_decode_columns, values, intake, limits), intake, limits)


def split(frame: Split, intake: Intake, limits: Limits) -> Features:
    """Reads a data frame as pandas splits it; numbers for columns are those of the schema."""
    columns = frame.columns
    if columns in (None, intake.names, [*range(len(intake.names))]):
        return json_format.read(frame.data, intake, limits)
    # One more than there are is enough to find one that is unknown, or there twice.
    names = [str(column) for column in (columns or ())[: len(intake.names) + 1]]
    intake.refuse_others(names)
    rows = _read(_decode_table, frame.data, intake, limits)
    for number, row in enumerate(rows):
        if len(row) != len(names):
            what = f"must hold {len(names)} values, one for each column, received {len(row)}"
            raise intake.refusal(number, None, what)
    if not rows:
        raise Invalid("instances: it is empty")
    by_name = dict(zip(names, zip(*rows, strict=True), strict=True))
    return by_column(by_name, intake, limits)


def by_column(columns: Mapping[str, Sequence[Any]], intake: Intake, limits: Limits) -> Features:
    """Reads columns whose values JSON's decoder has made."""
    if not (intake.are_triples and [*columns] == ["features"]):
        return json_columns.read(columns, intake, limits)
    try:
        return json_format.matrix(msgspec.convert(columns["features"], list[Triple]))
    except msgspec.ValidationError as error:
        refuse(error, "instances")


def _read(
    decode: Callable[[msgspec.Raw], T], values: msgspec.Raw, intake: Intake, limits: Limits
) -> T:
    """Decodes values of any kind, if there are no more than a request may bring."""
    text, most = bytes(values), limits.rows * len(intake.names)
    if text.count(b",") > most and json_format.count_signs(text, b",") > most:
        raise TooLarge(TOO_MANY_ROWS.format(limits.rows))
    try:
        return decode(values)
    except (msgspec.ValidationError, *json_body.UNREADABLE) as error:
        refuse(error, "instances")


def examples(
    rows: Sequence[Mapping[str, Any]], context: Mapping[str, Any], intake: Intake, limits: Limits
) -> Features:
    """Reads objects by column name, and what they share; a value may be a list of one."""
    if not rows:
        raise Invalid("instances: it is empty")
    if len(rows) > limits.rows:
        raise TooLarge(TOO_MANY_ROWS.format(limits.rows))
    given = dict.fromkeys(chain(context, *rows))
    if intake.are_triples and [*given] == ["features"]:
        return by_column(
            {"features": [row.get("features", context.get("features")) for row in rows]},
            intake,
            limits,
        )
    intake.refuse_others(given)
    columns = {name: [_one(row.get(name, context.get(name))) for row in rows] for name in given}
    return by_column(columns, intake, limits)


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def refuse(error: Exception, place: str) -> NoReturn:
    """Raises what a decoder of msgspec found wrong, by the name of the element."""
    if not isinstance(error, msgspec.ValidationError):
        raise BadRequest(f"the body is not JSON: {error}") from None
    what, _, path = str(error).partition(" - at `$")
    raise Invalid(f"{place}{path.removesuffix('`')}: {what}") from None
