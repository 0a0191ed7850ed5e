"""Arrow IPC streams.

Columns are known by their names, in any order: a tool that reorders them changes no prediction.

They may not be compressed: some kilobytes can hold gigabytes of zeros. pyarrow takes the memory
before it tells how many rows there are, and does not tell whether a stream is compressed.
"""

import struct
from collections.abc import Iterable
from typing import Any

import numpy as np

from models.config import FEATURES, ModelName
from service.errors import BadRequest, Invalid, UnsupportedMediaType, excerpt
from service.predict.formats.question import Features, Question, choice, finite, finite_predictions

COLUMNS = [f"x{number}" for number in range(FEATURES)]

HEADER, COMPRESSION = 2, 3
"""The fields of Message and RecordBatch in Arrow's Message.fbs."""

_offset = struct.Struct("<I").unpack_from
_back = struct.Struct("<i").unpack_from
_short = struct.Struct("<H").unpack_from


def read(body: bytes, query: bytes) -> Question:
    """Reads an Arrow IPC stream of the columns x0, x1, x2, of float32 or float64, without nulls."""
    pyarrow = _pyarrow()
    try:
        _refuse_compressed(pyarrow.ipc.MessageReader.open_stream(body))
        table = pyarrow.ipc.open_stream(body).read_all()
        table.validate(full=True)
        names = table.column_names
    except (pyarrow.ArrowException, OSError, MemoryError, UnicodeDecodeError, struct.error):
        raise BadRequest("the body is not an Arrow IPC stream") from None
    _check_names(names)
    columns = []
    for name in COLUMNS:
        column = table.column(name)
        if column.type not in (pyarrow.float32(), pyarrow.float64()):
            received = str(column.type)[:60]
            raise Invalid(f"column {name}: must be float32 or float64, received {received}")
        if column.null_count:
            raise Invalid(f"column {name}: holds nulls")
        columns.append(column.to_numpy())
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


def _check_names(names: list[str]) -> None:
    """Raises Invalid if a column is missing, unknown or repeated."""
    if sorted(names) == COLUMNS:
        return
    missing = [name for name in COLUMNS if name not in names]
    unknown = [name for name in names if name not in COLUMNS]
    repeated = [name for name in COLUMNS if names.count(name) > 1]
    wrong = {"missing": missing, "unknown": unknown, "repeated": repeated}
    found = "; ".join(f"{what}: {excerpt(which)}" for what, which in wrong.items() if which)
    raise Invalid(f"the columns must be {', '.join(COLUMNS)}, in any order; {found}")


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
