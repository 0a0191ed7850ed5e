"""What pyarrow does not tell of an Arrow IPC stream: whether it is compressed.

Some kilobytes can hold gigabytes of zeros, and pyarrow takes the memory before it tells how many
rows there are.
"""

from collections.abc import Iterable
from struct import Struct
from typing import Any

from service.errors import Invalid

_offset = Struct("<I").unpack_from
_back = Struct("<i").unpack_from
_short = Struct("<H").unpack_from

HEADER, COMPRESSION = 2, 3
"""The fields of Message and RecordBatch in Arrow's Message.fbs."""


def refuse_compressed(messages: Iterable[Any]) -> None:
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
