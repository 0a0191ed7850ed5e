"""The bodies of `POST /predict`: JSON, NumPy's npy, and Arrow IPC streams, both ways.

Each format reads a body into a `Question` and writes predictions. Nothing is unpickled, and no
memory is taken on the word of a header.
"""

import io
import re
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from models.config import FEATURES, ModelName
from service.arrow_stream import refuse_compressed
from service.errors import BadRequest, Invalid, UnsupportedMediaType
from service.schemas import LAST_VERSION

NPY_HEADER_BYTES = 1000
NOT_FINITE = "its prediction is not a finite number"

Features = NDArray[np.floating[Any]]


class Question(NamedTuple):
    """What is to be predicted, `(rows, 3)`, and by whom."""

    features: Features
    model: ModelName | None
    version: float | None
    """A whole number: 1, or 1.0, which JSON Schema takes for the same."""


_Version = (
    Annotated[int, msgspec.Meta(ge=1, le=LAST_VERSION)]
    | Annotated[float, msgspec.Meta(ge=1, le=LAST_VERSION, multiple_of=1)]
)


class Choice(msgspec.Struct, forbid_unknown_fields=True):
    """Who is to predict: in JSON beside the instances, in other formats in the URL's query."""

    model: ModelName | None = None
    version: _Version | None = None


class _JsonBody(Choice, kw_only=True):
    """`schemas.PredictRequest` documents it."""

    instances: list[tuple[float, float, float]]


class _Envelope(Choice, kw_only=True):
    instances: msgspec.Raw


_decode_json = msgspec.json.Decoder(_JsonBody).decode
_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_numbers = msgspec.json.Decoder(list[float]).decode

_IN_NUMBERS = b"0123456789+-.eE \t\r\n"


def read_json(body: bytes, query: bytes) -> Question:
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
        raise Invalid(_element_first(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    features = np.array(parsed.instances, np.float64).reshape(-1, FEATURES)
    return Question(features, parsed.model, parsed.version)


def write_json(predictions: Features, model: ModelName, version: int) -> bytes:
    """Writes `{"predictions": […], "model": …, "version": …}`."""
    answer: bytes = orjson.dumps(
        {"predictions": predictions, "model": model, "version": version},
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
    if b"u" in answer:  # of `null`, as which it writes what is not finite: found at no cost
        refuse_first(~np.isfinite(predictions), NOT_FINITE)
    return answer


def read_npy(body: bytes, query: bytes) -> Question:
    """Reads a `(rows, 3)` array of float32 or float64."""
    counted_by = 2 if body[6:7] == b"\1" else 4  # the version says how wide the length is
    length = 8 + counted_by + int.from_bytes(body[8 : 8 + counted_by], "little")
    if length > NPY_HEADER_BYTES:
        raise BadRequest(f"the npy file has a header of more than {NPY_HEADER_BYTES} bytes")
    shape, fortran, dtype = _npy_header(body[:length])
    if dtype.kind != "f" or dtype.itemsize not in (4, 8):
        raise Invalid(f"the array must hold float32 or float64, received {dtype.str[:20]}")
    if [type(size) for size in shape] != [int, int] or shape[1] != FEATURES:
        raise Invalid(f"the array must have the shape (rows, 3), received {str(shape)[:60]}")
    if len(body) - length != shape[0] * FEATURES * dtype.itemsize:
        raise BadRequest("the npy file is longer or shorter than its header says")
    array = np.frombuffer(body, dtype, offset=length)
    features = array.reshape(shape, order="F" if fortran else "C")
    return Question(_finite(features), *_choice(query))


def write_npy(predictions: Features, model: ModelName, version: int) -> bytes:
    """Writes an array `(rows,)` of the model's precision."""
    refuse_first(~np.isfinite(predictions), NOT_FINITE)
    return _npy_header_for(predictions.dtype.str, len(predictions)) + predictions.tobytes()


def read_arrow(body: bytes, query: bytes) -> Question:
    """Reads an Arrow IPC stream of three columns of float32 or float64, without nulls."""
    pyarrow = _pyarrow()
    try:
        refuse_compressed(pyarrow.ipc.MessageReader.open_stream(body))
        table = pyarrow.ipc.open_stream(body).read_all()
        table.validate(full=True)
    except (pyarrow.ArrowException, OSError, MemoryError, UnicodeDecodeError, struct.error):
        raise BadRequest("the body is not an Arrow IPC stream") from None
    if table.num_columns != FEATURES:
        raise Invalid(f"the table must have 3 columns, received {table.num_columns}")
    for number, column in enumerate(table.columns):
        if column.type not in (pyarrow.float32(), pyarrow.float64()):
            received = str(column.type)[:60]
            raise Invalid(f"column {number}: must be float32 or float64, received {received}")
        if column.null_count:
            raise Invalid(f"column {number}: holds nulls")
    columns = [column.to_numpy() for column in table.columns]
    return Question(_finite(np.stack(columns, axis=1)), *_choice(query))


def write_arrow(predictions: Features, model: ModelName, version: int) -> bytes:
    """Writes an Arrow IPC stream with one column, `predictions`."""
    refuse_first(~np.isfinite(predictions), NOT_FINITE)
    pyarrow = _pyarrow()
    table = pyarrow.table({"predictions": predictions})
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream


class Format(NamedTuple):
    """How bodies of one media type are read and written."""

    media_type: str
    content_type: bytes
    large_bytes: int
    """A body above this is worked on in a thread, so that others need not wait, and few at once."""
    read: Callable[[bytes, bytes], Question]
    write: Callable[[Features, ModelName, int], bytes]


JSON = Format("application/json", b"application/json", 100_000, read_json, write_json)
NPY = Format("application/x-npy", b"application/x-npy", 300_000, read_npy, write_npy)
ARROW_STREAM = "application/vnd.apache.arrow.stream"
ARROW = Format(ARROW_STREAM, ARROW_STREAM.encode(), 300_000, read_arrow, write_arrow)
FORMATS = {known.media_type: known for known in (JSON, NPY, ARROW)}


def of_body(content_type: bytes) -> Format:
    """The format of a body. Raises UnsupportedMediaType if there is none."""
    if content_type == JSON.content_type:
        return JSON
    media_type = content_type.partition(b";")[0].strip().lower().decode("latin-1")
    try:
        return FORMATS[media_type]
    except KeyError:
        raise UnsupportedMediaType(
            f"the content type must be one of {', '.join(FORMATS)}"
        ) from None


def of_answer(accept: bytes) -> Format:
    """The format that `Accept` asks for first, among those known; JSON if it names none."""
    if not accept or accept == b"*/*":
        return JSON
    for media_range in accept.decode("latin-1").lower().split(","):
        named = FORMATS.get(media_range.partition(";")[0].strip())
        if named is not None:
            return named
    return JSON


# Clients send the same few headers, and to read one costs three times the prediction.
@lru_cache(maxsize=256)
def _npy_header(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """The shape, whether it is in Fortran's order, and the type of the elements."""
    file = io.BytesIO(header)
    try:
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[np.lib.format.read_magic(file)]
        return read(file)
    except Exception:  # a header is a Python literal: whatever Python's tokenizer raises
        raise BadRequest("the body is not an npy file of version 1.0 or 2.0") from None


@lru_cache(maxsize=256)
def _npy_header_for(dtype: str, rows: int) -> bytes:
    file = io.BytesIO()
    described = {"descr": dtype, "fortran_order": False, "shape": (rows,)}
    np.lib.format.write_array_header_1_0(file, described)
    return file.getvalue()


def refuse_first(wrong: NDArray[np.bool_], what: str) -> None:
    """Raises Invalid for the first element of `instances` that is `wrong`, if there is one."""
    if wrong.any():
        place = "".join(f"[{index}]" for index in np.argwhere(wrong)[0])
        raise Invalid(f"instances{place}: {what}")


def _finite(features: Features) -> Features:
    # JSON has no word for the others.
    refuse_first(~np.isfinite(features), "it is not a finite number")
    return features


def _choice(query: bytes) -> tuple[ModelName | None, float | None]:
    if not query:
        return None, None
    try:
        given = dict(parse_qsl(query.decode("ascii"), keep_blank_values=True))
        choice = msgspec.convert(given, Choice, strict=False)
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        raise Invalid(_element_first(str(error))) from None
    return choice.model, choice.version


def _element_first(message: str) -> str:
    """`Expected `float`, got `str` - at `$.instances[3][1]`` names the element first."""
    found = re.fullmatch(r"(.*) - at `\$\.?(.*)`", message, re.DOTALL)
    return f"{found[2]}: {found[1]}" if found else f"the body: {message}"


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError:
        raise UnsupportedMediaType("this server is installed without pyarrow") from None
    return pyarrow
