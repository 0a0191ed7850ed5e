"""JSON bodies."""

import struct
from itertools import chain

import msgspec
import numpy as np
import orjson

from models.config import FEATURES, ModelName
from service.errors import Invalid
from service.http import json_body
from service.predict.formats.question import (
    Choice,
    Features,
    Question,
    choice,
    element_first,
    finite_predictions,
)


class _Body(Choice, kw_only=True):
    """`schemas.PredictRequest` documents it."""

    instances: list[tuple[float, float, float]]


_decode = msgspec.json.Decoder(_Body).decode


def read(body: bytes, query: bytes) -> Question:
    """Reads `{"instances": [[x0, x1, x2], …], "model"?: …, "version"?: …}`.

    As with other formats, the model and the version may stand in the URL's query instead.
    """
    try:
        asked = _decode(body)
    except msgspec.ValidationError as error:
        raise Invalid(element_first(str(error))) from None
    except json_body.UNREADABLE as error:
        return read(json_body.without_mark(body, error), query)
    count = len(asked.instances)
    # `np.array` takes two to three times as long.
    packed = struct.pack(f"{FEATURES * count}d", *chain.from_iterable(asked.instances))
    features = np.frombuffer(packed).reshape(count, FEATURES)
    if query:
        return Question(features, *_one_choice(asked, query))
    return Question(features, asked.model, asked.version)


def _one_choice(asked: Choice, query: bytes) -> tuple[ModelName | None, float | None]:
    in_body = asked.model, asked.version
    in_query = choice(query)
    if in_body != (None, None) != in_query:
        raise Invalid("model and version: they are in the body and in the URL's query")
    return in_body if in_query == (None, None) else in_query


def write(predictions: Features, model: ModelName, version: int) -> bytes:
    """Writes `{"predictions": […], "model": …, "version": …}`."""
    answer: bytes = orjson.dumps(
        {"predictions": predictions, "model": model, "version": version},
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
    if b"u" in answer:  # of `null`, as which it writes what is not finite: found at no cost
        finite_predictions(predictions)
    return answer
