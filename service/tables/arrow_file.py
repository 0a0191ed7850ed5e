"""Parquet, and streams and files of Arrow."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet

from service.errors import BadRequest, TooLarge
from service.tables import names
from service.tables.column import Style
from service.tables.first_bytes import ARROW_FILE
from service.tables.options import Bounds, Format, Options
from service.tables.plain_bytes import PIECE_BYTES, PlainBytes
from service.tables.source import Source
from service.tables.values import Array, is_readable

ROWS = 2**14
"""Of a batch."""


def open_parquet(upload: Path, plain: PlainBytes, options: Options, bounds: Bounds) -> Source:
    """A file of Parquet, read from page to page.

    Raises:
        BadRequest: It was compressed as a whole.
        Invalid, TooLarge: Its columns cannot be called so, or it holds too much.
    """
    _refuse_compressed(plain)

    def open_file() -> Any:
        return pyarrow.parquet.ParquetFile(upload, buffer_size=PIECE_BYTES, pre_buffer=False)

    def batches() -> Iterator[Array]:
        with open_file() as file:
            yield from slices(file.iter_batches(ROWS, use_threads=False), bounds)

    with open_file() as file:
        rows = file.metadata.num_rows
        if rows > bounds.max_rows:
            raise TooLarge(f"the table has {rows} rows, and {bounds.max_rows} are allowed")
        return source("parquet", file.schema_arrow, batches, options, bounds)


def open_arrow(upload: Path, plain: PlainBytes, options: Options, bounds: Bounds) -> Source:
    """A stream or a file of Arrow; of a compressed one, a batch is in memory.

    Raises:
        BadRequest: It is a file, and was compressed as a whole.
        Invalid, TooLarge: Its columns cannot be called so, or it holds too much.
    """
    is_file = plain.head.startswith(ARROW_FILE)
    if is_file:
        _refuse_compressed(plain)

    def open_reader() -> Any:
        if is_file:
            return pyarrow.ipc.open_file(pa.memory_map(str(upload)))
        if plain.compression is None:
            return pyarrow.ipc.open_stream(pa.memory_map(str(upload)))
        return pyarrow.ipc.open_stream(pa.PythonFile(PlainBytes(upload, bounds.max_bytes), "r"))

    def batches() -> Iterator[Array]:
        reader = open_reader()
        if is_file:
            every = (reader.get_batch(number) for number in range(reader.num_record_batches))
        else:
            every = iter(reader)
        yield from slices(every, bounds)

    return source("arrow", open_reader().schema, batches, options, bounds)


def _refuse_compressed(plain: PlainBytes) -> None:
    if plain.compression is not None:
        raise BadRequest(
            f"the file is compressed by {plain.compression} as a whole, and cannot be read from "
            "its end, as must be: upload it as it was"
        )


def source(
    format_: Format,
    schema: Any,
    batches: Callable[[], Iterator[Array]],
    options: Options,
    bounds: Bounds,
) -> Source:
    """What has columns of Arrow. Raises Invalid or TooLarge if they cannot be called so."""
    names.check(schema.names, bounds.max_columns)
    unreadable = {field.name: str(field.type) for field in schema if not is_readable(field.type)}
    style = Style(False, pa.array(["", *options.missing]))
    return Source(format_, tuple(schema.names), style, batches, unreadable)


def slices(batches: Iterable[Array], bounds: Bounds) -> Iterator[Array]:
    """Checked batches, of which none is large.

    Raises:
        TooLarge: They hold more bytes than are allowed.
    """
    count = 0
    for batch in batches:
        batch.validate(full=True)
        count += sum(map(_size, batch.columns))
        if count > bounds.max_bytes:
            raise TooLarge(f"the table holds more than {bounds.max_bytes} bytes")
        for start in range(0, batch.num_rows, ROWS):
            yield batch.slice(start, ROWS)


def _size(array: Array) -> int:
    """Bytes of an array without a dictionary, in which a long text may stand for many."""
    if not pa.types.is_dictionary(array.type):
        return int(array.nbytes)
    if not is_readable(array.type) or pa.types.is_primitive(array.type.value_type):
        return int(array.indices.nbytes)
    lengths = pc.binary_length(array.dictionary.cast(pa.large_string()))
    return pc.sum(lengths.take(array.indices)).as_py() or 0
