"""A table that stays where it is: Parquet in an object store, of which a revision keeps a list.

What was listed is read for as long as it is there unchanged; nobody copies it.
"""

import io
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import msgspec

from service.errors import Invalid, TooLarge, excerpt

if TYPE_CHECKING:  # imported only where a table is linked
    from service.objects import Objects

LINK = "link.json"

MOST_FILES = 10_000
MOST_LISTED = 100_000

BUFFER_BYTES = 2**22
BUFFERS_BYTES = 2**26
"""What is read of an object at once: of each column so much, and of all together at most that."""

Read = Callable[[Callable[[], bytes]], bytes]
"""Reads, or tries again."""


class LinkedFile(msgspec.Struct, frozen=True):
    """An object, and by what the store tells it from another one in its place."""

    key: str
    size: int
    tag: str


class Link(msgspec.Struct, frozen=True):
    """The files of a table, in the order of their rows, by their keys below `url`."""

    url: str
    files: list[LinkedFile]


def find(url: str) -> Link:
    """Lists what there is at a URL, as `Options.url` has it.

    Raises:
        Invalid, TooLarge: There is nothing, or too much.
        Unavailable: The store does not answer.
    """
    folder, _, pattern = url.rpartition("/")
    files: list[LinkedFile] = []
    for number, found in enumerate(objects_at(folder).list("")):
        if number >= MOST_LISTED:
            raise TooLarge(f"there are more than {MOST_LISTED} objects below {excerpt(folder)}")
        if _is_meant(found.key, pattern):
            files.append(LinkedFile(found.key, found.size, found.tag))
            if len(files) > MOST_FILES:
                raise TooLarge(f"there are more than {MOST_FILES} files at {excerpt(url)}")
    if not files:
        raise Invalid(f"url: there is no Parquet at {excerpt(url)}")
    return Link(folder, sorted(files, key=lambda file: file.key))


def _is_meant(key: str, pattern: str) -> bool:
    if not pattern:  # what Spark and others write beside a table begins like this
        is_aside = any(part.startswith(("_", ".")) for part in key.split("/"))
        return key.endswith(".parquet") and not is_aside
    return "/" not in key and fnmatchcase(key, pattern)


def objects_at(url: str) -> "Objects":
    """What is below a URL."""
    from service.objects import Objects

    return Objects.at(url)


class ObjectFile(io.RawIOBase):
    """An object as a file to read from any place.

    Reading raises FileNotFoundError if the object is gone, or another one.
    """

    def __init__(self, objects: "Objects", file: LinkedFile, read: Read) -> None:
        self._objects, self._file, self._read = objects, file, read
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._file.size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def tell(self) -> int:
        return self._place

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._file.size - self._place)
        size = left if size < 0 else min(size, left)
        if not size:
            return b""
        start, self._place = self._place, self._place + size
        of = self._file
        return self._read(lambda: self._objects.part(of.key, start, start + size, of.tag))


def buffer_bytes(columns: int) -> int:
    """How much of each of some columns is read at once."""
    return max(2**16, min(BUFFER_BYTES, BUFFERS_BYTES // columns))


def open_file(
    objects: "Objects",
    file: LinkedFile,
    columns: int = 1,
    metadata: Any = None,
    read: Read = lambda do: do(),
) -> Any:
    """Opens a file as Parquet, to read so many of its columns.

    Args:
        metadata: Of the file, if they are known.
    """
    import pyarrow as pa
    import pyarrow.parquet

    opened = pa.PythonFile(ObjectFile(objects, file, read), "r")
    size = buffer_bytes(columns)
    return pyarrow.parquet.ParquetFile(
        opened, metadata=metadata, buffer_size=size, pre_buffer=False
    )
