"""JSON bodies."""

import struct

import msgspec
import numpy as np
import orjson

from models.config import FEATURES, ModelName
from service.errors import BadRequest, Invalid
from service.formats.question import Choice, Features, Question, element_first, finite_predictions


class _JsonBody(Choice, kw_only=True):
    """`schemas.PredictRequest` documents it."""

    instances: list[tuple[float, float, float]]


class _Envelope(Choice, kw_only=True):
    instances: msgspec.Raw


_decode_json = msgspec.json.Decoder(_JsonBody).decode
_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_numbers = msgspec.json.Decoder(list[float]).decode

_IN_NUMBERS = b"0123456789+-.eE \t\r\n"


def read(body: bytes, query: bytes) -> Question:
    """Reads `{"instances": [[x0, x1, x2], …], "model"?: …, "version"?: …}`."""
    try:
        return _read_regular(body)
    except (ValueError, RecursionError):
        return _read_by_element(body)


def _read_regular(body: bytes) -> Question:
    """Reads what is in order; with no tuple for each triple, in two thirds of the time.

    Raises:
        ValueError, RecursionError: Something is out of order.
    """
    asked = _decode_envelope(body)
    triples = bytes(asked.instances)
    structure = triples.translate(None, _IN_NUMBERS)
    rows = len(structure) // len(b"[,,],")
    if structure != b"[%b[,,]]" % (b"[,,]," * (rows - 1)):
        raise ValueError
    numbers = _decode_numbers(b"[%b]" % triples.translate(None, b"[]"))
    packed = struct.pack(f"{FEATURES * rows}d", *numbers)
    features = np.frombuffer(packed).reshape(rows, FEATURES)
    return Question(features, asked.model, asked.version)


def _read_by_element(body: bytes) -> Question:
    """Says which element is out of order."""
    try:
        parsed = _decode_json(body)
    except msgspec.ValidationError as error:
        raise Invalid(element_first(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    features = np.array(parsed.instances, np.float64).reshape(-1, FEATURES)
    return Question(features, parsed.model, parsed.version)


def write(predictions: Features, model: ModelName, version: int) -> bytes:
    """Writes `{"predictions": […], "model": …, "version": …}`."""
    answer: bytes = orjson.dumps(
        {"predictions": predictions, "model": model, "version": version},
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
    if b"u" in answer:  # of `null`, as which it writes what is not finite: found at no cost
        finite_predictions(predictions)
    return answer
