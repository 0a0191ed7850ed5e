"""The rows of an upload in its order, whatever its format. What is broken is the file's fault."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from service.errors import BadRequest, CrosscheckError, excerpt
from service.tables.arrow_file import open_arrow, open_parquet
from service.tables.csv_file import open_csv
from service.tables.first_bytes import format_of
from service.tables.linked_upload import open_linked
from service.tables.ndjson_file import open_ndjson
from service.tables.options import Bounds, Format, Options
from service.tables.plain_bytes import PlainBytes
from service.tables.source import Source
from service.tables.values import Array

logger = logging.getLogger(__name__)

ENOUGH_ROWS, MOST_ROWS = 2**14, 2**15
ENOUGH_BYTES = 2**23

OPEN: dict[Format, Callable[[Path, PlainBytes, Options, Bounds], Source]] = {
    "csv": open_csv,
    "parquet": open_parquet,
    "arrow": open_arrow,
    "ndjson": open_ndjson,
}


def open_upload(upload: Path, options: Options, bounds: Bounds) -> Source:
    """What there is to read in a file.

    Raises:
        BadRequest: It is broken, or none that is read; says what to do.
        Invalid, TooLarge: Its columns cannot be called so, or it holds too much.
    """
    with _fault_of_the_file():
        if options.url:
            return open_linked(upload, options, bounds)
        plain = PlainBytes(upload, bounds.max_bytes)
        return OPEN[options.format or format_of(plain.head)](upload, plain, options, bounds)


def steps(source: Source) -> Iterator[Array]:
    """The rows of a file: enough at once to be worth it, and not too many.

    Raises:
        BadRequest: The file is broken.
    """
    with _fault_of_the_file():
        batches = source.batches()
    some: list[Array] = []
    rows = size = 0
    while True:
        with _fault_of_the_file():
            batch = next(batches, None)
        is_enough = rows >= ENOUGH_ROWS or size >= ENOUGH_BYTES
        if some and (batch is None or is_enough or batch.schema != some[0].schema):
            yield from _slices(pa.concat_batches(some))
            some, rows, size = [], 0, 0
        if batch is None:
            return
        some.append(batch)
        rows += len(batch)
        size += batch.nbytes


def _slices(batch: Array) -> Iterator[Array]:
    return (batch.slice(start, MOST_ROWS) for start in range(0, len(batch), MOST_ROWS))


@contextmanager
def _fault_of_the_file() -> Iterator[None]:
    """Turns what pyarrow says of a broken file into BadRequest."""
    try:
        yield
    except (CrosscheckError, MemoryError):
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        logger.warning("cannot read the upload: %r", error)
        raise BadRequest(f"the file cannot be read: {excerpt(str(error))}") from None
