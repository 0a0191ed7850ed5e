"""A linked table as an upload is read: checked and profiled, and nothing of it kept but a look."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from service.errors import Conflict, Invalid, TooLarge, excerpt
from service.tables.arrow_file import ROWS, slices, source
from service.tables.link import Link, objects_at, open_file
from service.tables.options import Bounds, Options
from service.tables.source import Source
from service.tables.values import Array


def open_linked(upload: Path, options: Options, bounds: Bounds) -> Source:
    """The rows of all files that a link lists, one file after the other.

    Raises:
        Invalid, TooLarge: The files have not all the same columns, these cannot be called so, or
            there is too much.
        Conflict: A file has changed since it was listed.
        Unavailable: The store does not answer.
    """
    link = msgspec.json.decode(upload.read_bytes(), type=Link)
    objects = objects_at(link.url)

    def read(do: Callable[[], bytes]) -> bytes:
        try:
            return do()
        except FileNotFoundError as error:
            raise Conflict(f"{error} while the table was read: put it again") from None

    def batches() -> Iterator[Array]:
        for file in link.files:
            with open_file(objects, file, len(schema), read=read) as parquet:
                if not parquet.schema_arrow.equals(schema):
                    raise Invalid(
                        f"{excerpt(file.key)} has other columns, or types, than "
                        f"{excerpt(link.files[0].key)}"
                    )
                yield from slices(parquet.iter_batches(ROWS, use_threads=False), endless)

    with open_file(objects, link.files[0], read=read) as first:
        schema = first.schema_arrow
        if first.metadata.num_rows > bounds.max_rows:
            raise TooLarge(f"the table has more than {bounds.max_rows} rows")
    endless = bounds.model_copy(update={"max_bytes": sys.maxsize})
    return source("parquet", schema, batches, options, bounds)
