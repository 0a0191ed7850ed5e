"""What there is to read in an upload, whatever its format."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from service.tables.column import Style
from service.tables.options import Format


class Source(NamedTuple):
    """The columns of a file, and a way to go through its rows as often as is needed."""

    format: Format
    names: tuple[str, ...]
    style: Style
    batches: Callable[[], Iterator[Any]]
    """Makes `pyarrow.RecordBatch`es, which may lack columns; BadRequest if the file is broken."""
    unreadable: Mapping[str, str] = {}
    """The types of columns that are neither numbers, booleans, times nor texts."""
    notes: tuple[str, ...] = ()
    """How the file was understood."""
