"""JSON bodies."""

import struct
from collections.abc import Callable
from functools import lru_cache, partial
from itertools import chain
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np
import orjson
from msgspec.structs import astuple
from numpy.typing import NDArray

from models.config import FEATURES, ModelName
from models.schema import TRIPLES, Type
from service.errors import BadRequest, CrosscheckError, Invalid, TooLarge
from service.http import json_body
from service.predict.formats.intake import Intake, code
from service.predict.formats.question import (
    NO_CHOICE,
    TOO_MANY_ROWS,
    Choice,
    Features,
    Limits,
    Predictions,
    Question,
    choice,
    element_first,
    finite_predictions,
)

SHORTEST_ROW = len("{},")


class _Triples(Choice, kw_only=True):
    """Triples as arrays: what is asked most, and read at once."""

    dataset: Literal["triples"] | None = None
    instances: list[tuple[float, float, float]]


class _Body(Choice, kw_only=True):
    """`shapes.PredictRows` documents it."""

    instances: msgspec.Raw


class _Instances(NamedTuple):
    """How instances of one dataset are read."""

    all: Callable[[Any], list[Any]]
    """Of each a tuple or a struct."""
    one: Callable[[Any], Any]
    columns: list[Callable[[tuple[Any, ...]], NDArray[Any]]]
    """How the values of each column become one."""


TYPES: dict[Type, Any] = {
    "number": float,
    "boolean": bool | Annotated[float, msgspec.Meta(ge=0, le=1, multiple_of=1)],
    "text": str,
    "code": int | Annotated[float, msgspec.Meta(multiple_of=1)] | str,
}

_decode_triples = msgspec.json.Decoder(_Triples).decode
_decode_body = msgspec.json.Decoder(_Body).decode
_take_apart = msgspec.json.Decoder(list[msgspec.Raw]).decode
# 1e999 is a number that is too large: it is refused by its name.
_decode_list = msgspec.json.Decoder(list[Any], float_hook=float).decode
_decode_any = msgspec.json.Decoder(float_hook=float).decode


def ask(body: bytes, query: bytes) -> Question:
    """Reads `{"instances": […], "dataset"?: …, "model"?: …, "version"?: …}`.

    As with other formats, what is chosen may stand in the URL's query instead. Triples that are
    arrays are read here; other instances by `read`, as they have other columns.
    """
    in_query = choice(query) if query else NO_CHOICE
    if in_query.dataset in (None, TRIPLES):
        try:
            asked = _decode_triples(body)
        except msgspec.ValidationError:
            pass
        except json_body.UNREADABLE as error:
            return ask(json_body.without_mark(body, error), query)
        else:
            return one_choice(asked, in_query).of(matrix(asked.instances))
    try:
        asked_any = _decode_body(body)
    except msgspec.ValidationError as error:
        raise Invalid(element_first(str(error))) from None
    except json_body.UNREADABLE as error:
        return ask(json_body.without_mark(body, error), query)
    return one_choice(asked_any, in_query).of(asked_any.instances)


def matrix(triples: list[tuple[float, float, float]]) -> Features:
    """What a network of triples takes."""
    count = len(triples)
    # `np.array` takes two to three times as long.
    packed = struct.pack(f"{FEATURES * count}d", *chain.from_iterable(triples))
    return {"features": np.frombuffer(packed).reshape(count, FEATURES)}


def one_choice(in_body: Choice, in_query: Choice) -> Choice:
    """What is chosen in one of both places. Raises Invalid if it is in both."""
    if in_query is NO_CHOICE:
        return in_body
    if (in_body.dataset, in_body.model, in_body.version) != (None, None, None):
        raise Invalid("dataset, model and version: they are in the body and in the URL's query")
    return in_query


def read(instances: Features | msgspec.Raw, intake: Intake, limits: Limits) -> Features:
    """Reads objects by column name, and arrays in the schema's order; they may be mixed."""
    if isinstance(instances, dict):
        return instances
    if memoryview(instances).nbytes > SHORTEST_ROW * limits.rows:
        refuse_too_many(bytes(instances), limits.rows)
    reader = _reader_of(intake)
    try:
        rows = reader.all(instances)
    except (msgspec.ValidationError, *json_body.UNREADABLE) as error:
        raise _refusal(instances, intake, error) from None
    tuples = [row if type(row) is tuple else astuple(row) for row in rows]
    by_column = [*zip(*tuples, strict=True)] or [()] * len(intake.names)
    return intake.take(
        [column(values) for column, values in zip(reader.columns, by_column, strict=True)]
    )


def most_rows(body: bytes) -> int:
    """The number of arrays and objects, or of what looks like one."""
    return body.count(b"[") + body.count(b"{")


def refuse_too_many(body: bytes, most: int) -> None:
    """Raises TooLarge before many small rows take much memory."""
    if most_rows(body) > most + 2 and count_signs(body, b"[{") > most + 2:
        raise TooLarge(TOO_MANY_ROWS.format(most))


def count_signs(body: bytes, signs: bytes) -> int:
    """How many of these there are, those in texts not counted."""
    read = np.frombuffer(body.replace(b"\\\\", b"").replace(b'\\"', b""), np.uint8)
    within_text = np.logical_xor.accumulate(read == ord('"'))
    return sum(int(np.count_nonzero((read == sign) & ~within_text)) for sign in signs)


@lru_cache(maxsize=256)
def _reader_of(intake: Intake) -> _Instances:
    columns = [COLUMNS[feature.type] for feature in intake.features]
    if not all(map(_can_be_field, intake.names)):
        return _Instances(partial(_read_one_by_one, intake), _decode_any, columns)
    types = [TYPES[feature.type] for feature in intake.features]
    fields: list[tuple[str, Any] | tuple[str, Any, Any]]
    if intake.are_triples:
        fields = [(f"c{number}", of) for number, of in enumerate(types)]
    else:
        types = [of | None for of in types]
        fields = [(f"c{number}", of, None) for number, of in enumerate(types)]
    names = [field[0] for field in fields]
    by_name = msgspec.defstruct(
        "Instance",
        fields,
        rename=dict(zip(names, intake.names, strict=True)),
        forbid_unknown_fields=True,
        gc=False,
    )
    instance: Any = by_name | tuple[tuple(types)]  # type: ignore[misc]
    return _Instances(
        msgspec.json.Decoder(list[instance]).decode,
        msgspec.json.Decoder(instance).decode,
        columns,
    )


def _can_be_field(name: str) -> bool:
    """Whether msgspec lets a field of a struct have this name."""
    return name.isprintable() and not {*name} & {'"', "\\"}


def _read_one_by_one(intake: Intake, instances: msgspec.Raw) -> list[tuple[Any, ...]]:
    rows = _decode_list(instances)
    for number, row in enumerate(rows):
        if wrong := intake.wrong_in(number, row):
            raise wrong
    return [
        tuple(row) if isinstance(row, list) else tuple(map(row.get, intake.names)) for row in rows
    ]


def _refusal(instances: msgspec.Raw, intake: Intake, error: Exception) -> CrosscheckError:
    """What is wrong with the first instance that is; they are looked at one by one."""
    try:
        for number, row in enumerate(_take_apart(instances)):
            try:
                _reader_of(intake).one(row)
            except msgspec.ValidationError as wrong:
                return _wrong_in(row, number, intake) or intake.refusal(
                    number, None, str(wrong).partition(" - at ")[0]
                )
    except msgspec.ValidationError:
        return Invalid("instances: must be an array of objects or arrays")
    except json_body.UNREADABLE as unreadable:
        return BadRequest(f"the body is not JSON: {unreadable}")
    return Invalid(element_first(str(error)))


def _wrong_in(row: msgspec.Raw, number: int, intake: Intake) -> Invalid | None:
    try:
        return intake.wrong_in(number, _decode_any(row))
    except msgspec.ValidationError:  # a whole number of thousands of digits
        return None


def _numbers(values: tuple[float | None, ...]) -> NDArray[np.float64]:
    try:
        return np.frombuffer(struct.pack(f"{len(values)}d", *values))
    except struct.error:  # some are missing
        return np.array(values, np.float64)


def _texts_of(values: tuple[str | None, ...]) -> NDArray[Any]:
    return np.array(["" if value is None else value for value in values], object)


def _codes(values: tuple[float | str | None, ...]) -> NDArray[Any]:
    return np.array(["" if value is None else code(value) for value in values], object)


COLUMNS: dict[Type, Callable[[Any], NDArray[Any]]] = {
    "number": _numbers,
    "boolean": _numbers,
    "text": _texts_of,
    "code": _codes,
}


def write(predictions: Predictions, model: ModelName, version: int) -> bytes:
    """Writes `{"predictions": […], "model": …, "version": …}`."""
    answer: bytes = orjson.dumps(
        {"predictions": predictions, "model": model, "version": version},
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
    if b"u" in answer:  # of `null`, as which it writes what is not finite: found at no cost
        finite_predictions(predictions)
    return answer


def write_array(predictions: Predictions) -> bytes:
    """Writes the predictions alone."""
    array: bytes = orjson.dumps(predictions, option=orjson.OPT_SERIALIZE_NUMPY)
    if b"u" in array:
        finite_predictions(predictions)
    return array
