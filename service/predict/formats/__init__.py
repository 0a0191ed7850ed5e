"""The bodies of `POST /predict`, both ways: JSON, CSV, npy, Arrow IPC streams and Parquet.

What a body asks and what its rows hold is read one after the other: who is asked for says which
columns they have. Nothing is unpickled, and no memory is taken on the word of a header.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from models.config import ModelName
from service.http.json_body import MEDIA_TYPE, check_content_type
from service.predict.formats import (
    arrow_format,
    csv_format,
    json_format,
    npy_format,
    parquet_format,
)
from service.predict.formats.accept import preferred
from service.predict.formats.intake import Intake
from service.predict.formats.question import Features, Limits, Predictions, Question, choice


class Format(NamedTuple):
    """How bodies of one media type are read and written."""

    media_type: str
    content_type: bytes
    large_bytes: int
    """A body above this is worked on in a thread, so that others need not wait, and few at once."""
    most_rows: Callable[[bytes], int]
    """A body of text has no more rows, and most have fewer; 0 of what is read as fast anyway."""
    ask: Callable[[bytes, bytes], Question]
    """Reads what is asked, of a body and of the URL's query."""
    read: Callable[[Any, Intake, Limits], Features]
    """Reads the instances of a question by the columns of the version that answers."""
    write: Callable[[Predictions, ModelName, int], bytes]
    by_arrow: bool = False
    """Whether it needs pyarrow, which is imported for the first one."""


def _ask(body: bytes, query: bytes) -> Question:
    return choice(query).of(body)


def _format(media_type: str, module: Any, large_bytes: int, by_arrow: bool = True) -> Format:
    return Format(
        media_type,
        media_type.encode(),
        large_bytes,
        getattr(module, "most_rows", lambda _: 0),
        getattr(module, "ask", _ask),
        module.read,
        module.write,
        by_arrow,
    )


JSON = _format(MEDIA_TYPE, json_format, 100_000, by_arrow=False)
NPY = _format("application/x-npy", npy_format, 300_000, by_arrow=False)
ARROW = _format("application/vnd.apache.arrow.stream", arrow_format, 300_000)
CSV = _format("text/csv", csv_format, 100_000)
PARQUET = _format("application/vnd.apache.parquet", parquet_format, 0)
"""Always in a thread: of a small file nobody knows how large its rows are."""

FORMATS = {known.media_type: known for known in (JSON, NPY, ARROW, CSV, PARQUET)}


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
