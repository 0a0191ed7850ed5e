"""Arrow IPC streams.

They may not be compressed: some kilobytes can hold gigabytes of zeros. pyarrow takes the memory
before it tells how many rows there are, and does not tell whether a stream is compressed.
"""

import struct
from collections.abc import Iterable
from typing import Any

from models.config import ModelName
from service.errors import BadRequest, Invalid, TooLarge
from service.predict.formats import arrow_columns
from service.predict.formats.intake import Intake
from service.predict.formats.question import (
    Features,
    Limits,
    Predictions,
    finite_predictions,
)

MOST_BATCHES = 1000

HEADER = 2
"""The field of Message in Arrow's Message.fbs."""

DATA, COMPRESSION = 1, 3
"""The fields of DictionaryBatch and of RecordBatch."""

_offset = struct.Struct("<I").unpack_from
_back = struct.Struct("<i").unpack_from
_short = struct.Struct("<H").unpack_from


def read(body: bytes, intake: Intake, limits: Limits) -> Features:
    """Reads an Arrow IPC stream: columns by their names, in any order."""
    import pyarrow
    import pyarrow.ipc

    try:
        _check(pyarrow.ipc.MessageReader.open_stream(body))
        table = pyarrow.ipc.open_stream(body).read_all()
        table.validate(full=True)
        names = table.column_names
    except (pyarrow.ArrowException, OSError, MemoryError, UnicodeDecodeError, struct.error):
        raise BadRequest("the body is not an Arrow IPC stream") from None
    intake.refuse_others(names)
    return arrow_columns.read(table, intake, limits)


def write(predictions: Predictions, model: ModelName, version: int) -> bytes:
    """Writes an Arrow IPC stream with one column, `predictions`."""
    import pyarrow
    import pyarrow.ipc

    table = pyarrow.table({"predictions": finite_predictions(predictions)})
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream


def _check(messages: Iterable[Any]) -> None:
    """Raises what refuses a stream by its `pyarrow.Message`s: compressed ones, or too many."""
    for number, message in enumerate(messages):
        if number > MOST_BATCHES:
            raise TooLarge(f"the Arrow IPC stream has more than {MOST_BATCHES} batches")
        is_batch = message.type in ("record batch", "dictionary")
        if is_batch and _is_compressed(message.type, memoryview(message.metadata)):
            raise Invalid("the Arrow IPC stream must not be compressed")


def _is_compressed(kind: str, metadata: memoryview) -> bool:
    batch = _table(metadata, _field(metadata, _table(metadata, 0), HEADER))
    if kind == "dictionary":
        batch = _table(metadata, _field(metadata, batch, DATA))
    return bool(_field(metadata, batch, COMPRESSION))


def _table(metadata: memoryview, place: int) -> int:
    """Where the table begins that a place of a FlatBuffers message leads to."""
    begins: int = place + _offset(metadata, place)[0]
    return begins


def _field(metadata: memoryview, table: int, number: int) -> int:
    """Where a field of a FlatBuffers table lies; 0 if it has none."""
    vtable = table - _back(metadata, table)[0]
    entry = 4 + 2 * number
    offset: int = _short(metadata, vtable + entry)[0] if entry < _short(metadata, vtable)[0] else 0
    return offset and table + offset
