"""The bodies of `POST /predict`: JSON, NumPy's npy, and Arrow IPC streams, both ways.

Each format reads a body into a `Question` and writes predictions. Nothing is unpickled, and no
memory is taken on the word of a header.
"""

from collections.abc import Callable
from typing import NamedTuple

from models.config import ModelName
from service.http.json_body import MEDIA_TYPE, check_content_type
from service.predict.formats import arrow_format, json_format, npy_format
from service.predict.formats.accept import preferred
from service.predict.formats.question import Features, Question


class Format(NamedTuple):
    """How bodies of one media type are read and written."""

    media_type: str
    content_type: bytes
    large_bytes: int
    """A body above this is worked on in a thread, so that others need not wait, and few at once."""
    read: Callable[[bytes, bytes], Question]
    write: Callable[[Features, ModelName, int], bytes]


JSON = Format(MEDIA_TYPE, MEDIA_TYPE.encode(), 100_000, json_format.read, json_format.write)
NPY = Format("application/x-npy", b"application/x-npy", 300_000, npy_format.read, npy_format.write)
ARROW_STREAM = "application/vnd.apache.arrow.stream"
ARROW = Format(ARROW_STREAM, ARROW_STREAM.encode(), 300_000, arrow_format.read, arrow_format.write)
FORMATS = {known.media_type: known for known in (JSON, NPY, ARROW)}


def of_body(content_type: bytes) -> Format:
    """The format of a body. Raises UnsupportedMediaType if there is none."""
    if content_type == JSON.content_type:
        return JSON
    return FORMATS[check_content_type(content_type.decode("latin-1"), tuple(FORMATS))]


def of_answer(accept: bytes) -> Format:
    """The format that `Accept` asks for; JSON if it takes none of them."""
    if not accept or accept in (b"*/*", JSON.content_type):
        return JSON
    found = preferred(accept.decode("latin-1"), list(FORMATS))
    return FORMATS[found] if found else JSON
