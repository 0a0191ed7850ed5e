"""Arrow IPC streams.

They may not be compressed: some kilobytes can hold gigabytes of zeros. pyarrow takes the memory
before it tells how many rows there are, and does not tell whether a stream is compressed.
"""

import struct
from collections.abc import Iterable
from typing import Any

import numpy as np

from models.config import FEATURES, ModelName
from service.errors import BadRequest, Invalid, UnsupportedMediaType
from service.predict.formats.question import Features, Question, choice, finite, finite_predictions

HEADER, COMPRESSION = 2, 3
"""The fields of Message and RecordBatch in Arrow's Message.fbs."""

_offset = struct.Struct("<I").unpack_from
_back = struct.Struct("<i").unpack_from
_short = struct.Struct("<H").unpack_from


def read(body: bytes, query: bytes) -> Question:
    """Reads an Arrow IPC stream of three columns of float32 or float64, without nulls."""
    pyarrow = _pyarrow()
    try:
        _refuse_compressed(pyarrow.ipc.MessageReader.open_stream(body))
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
    return Question(finite(np.stack(columns, axis=1)), *choice(query))


def write(predictions: Features, model: ModelName, version: int) -> bytes:
    """Writes an Arrow IPC stream with one column, `predictions`."""
    pyarrow = _pyarrow()
    table = pyarrow.table({"predictions": finite_predictions(predictions)})
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream


def _refuse_compressed(messages: Iterable[Any]) -> None:
    """Raises Invalid if one of the stream's `pyarrow.Message`s says so, or is a dictionary."""
    for message in messages:
        if message.type == "dictionary":
            raise Invalid("the columns must be float32 or float64, and not dictionaries")
        if message.type == "record batch" and _is_compressed(memoryview(message.metadata)):
            raise Invalid("the Arrow IPC stream must not be compressed")


def _is_compressed(metadata: memoryview) -> bool:
    header = _field(metadata, _offset(metadata)[0], HEADER)
    batch = header + _offset(metadata, header)[0]
    return bool(_field(metadata, batch, COMPRESSION))


def _field(metadata: memoryview, table: int, number: int) -> int:
    """Where a field of a FlatBuffers table lies; 0 if it has none."""
    vtable = table - _back(metadata, table)[0]
    entry = 4 + 2 * number
    offset: int = _short(metadata, vtable + entry)[0] if entry < _short(metadata, vtable)[0] else 0
    return offset and table + offset


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError:
        raise UnsupportedMediaType("this server is installed without pyarrow") from None
    return pyarrow
