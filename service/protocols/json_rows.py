"""Rows as other protocols have them in JSON: row by row, or column by column.

Each function reads them by the columns of the version that answers, into what a network takes.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NoReturn

import msgspec

from service.errors import BadRequest, Invalid, TooLarge
from service.http import json_body
from service.predict.formats import json_columns, json_format
from service.predict.formats.intake import Intake
from service.predict.formats.question import TOO_MANY_ROWS, Features, Limits

Unread = Features | Callable[[Intake, Limits], Features]
"""What stands for the instances of a question: what was read at once, or who reads it."""

ABSENT = msgspec.Raw()
"""A member that is not there."""

Triple = tuple[float, float, float]


class _ByInput(msgspec.Struct, forbid_unknown_fields=True):
    """A triple by the name of the network's input."""

    features: Triple


_begins_by_input = re.compile(rb'\s*\[\s*\{\s*"features"').match
_decode_by_input = msgspec.json.Decoder(list[_ByInput]).decode
# 1e999 is a number that is too large: it is refused by its name.
_decode_columns = msgspec.json.Decoder(dict[str, list[Any]], float_hook=float).decode


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
    text = bytes(values)
    if not text.lstrip().startswith(b"{"):
        return instances(values, intake, limits)
    most = limits.rows * len(intake.names)
    if text.count(b",") > most and json_format.count_signs(text, b",") > most:
        raise TooLarge(TOO_MANY_ROWS.format(limits.rows))
    try:
        columns = _decode_columns(text)
    except (msgspec.ValidationError, *json_body.UNREADABLE) as error:
        refuse(error, "instances")
    return by_column(columns, intake, limits)


def by_column(columns: Mapping[str, Sequence[Any]], intake: Intake, limits: Limits) -> Features:
    """Reads columns whose values JSON's decoder has made."""
    if not (intake.are_triples and [*columns] == ["features"]):
        return json_columns.read(columns, intake, limits)
    try:
        return json_format.matrix(msgspec.convert(columns["features"], list[Triple]))
    except msgspec.ValidationError as error:
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
