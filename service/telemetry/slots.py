"""Memory that outlives a process, for what it has counted.

The supervisor makes a slot for each API process and gives all of them to each. A process writes its
own and reads all; the one that is started in its place goes on with the same. A slot has no name:
nothing of it is left behind, however everything ends.
"""

import os
import struct
import tempfile
import zlib
from typing import NamedTuple

HALF_BYTES = 4 * 2**20
"""A slot has two halves. What is not written to takes no memory."""

READ_ATTEMPTS = 20
"""As long as a half is not whole. It stays so where a writer has died, and the other one counts."""

_head = struct.Struct("<QQ")
"""The number of the writing, and the length of what was written. A checksum stands before them."""

_checksum = struct.Struct("<L")


class Given(NamedTuple):
    """The slots that an API process is given, by their descriptors."""

    own: int
    all: tuple[int, ...]


def make() -> int:
    """Makes a slot; returns its descriptor. Raises OSError if that is not possible."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("crosscheck")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def alone() -> Given:
    """The slots of an API process that has no other beside it."""
    only = make()
    return Given(only, (only,))


def read(descriptor: int) -> bytes:
    """What was last written to a slot whole; empty before that."""
    return _newest(descriptor)[1]


class Writer:
    """The process that writes to a slot. There is one at a time."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._written, self.found = _newest(descriptor)

    def write(self, content: bytes) -> None:
        """Replaces what is there. Whoever dies in the midst leaves what was there before.

        Raises:
            OSError: It is too much, or memory is short. What was there before is still there.
        """
        number = self._written + 1
        entry = _head.pack(number, len(content)) + content
        entry = _checksum.pack(zlib.crc32(entry)) + entry
        if len(entry) > HALF_BYTES:
            raise OSError(f"{len(entry)} bytes do not fit into a slot")
        if os.pwrite(self._descriptor, entry, number % 2 * HALF_BYTES) < len(entry):
            raise OSError("memory is short")
        self._written = number


def _newest(descriptor: int) -> tuple[int, bytes]:
    halves: list[tuple[int, bytes] | None] = []
    for _ in range(READ_ATTEMPTS):
        halves = [_half(descriptor, start) for start in (0, HALF_BYTES)]
        if None not in halves:
            break
        # The one that is whole may be older than what was there before the other was begun.
    return max((half for half in halves if half is not None), default=(0, b""))


def _half(descriptor: int, start: int) -> tuple[int, bytes] | None:
    """The number of a writing and what was written, if it is whole."""
    before = os.pread(descriptor, _checksum.size + _head.size, start)
    if len(before) < _checksum.size + _head.size:
        return 0, b""
    head = before[_checksum.size :]
    number, length = _head.unpack(head)
    content = os.pread(descriptor, min(length, HALF_BYTES), start + len(before))
    is_whole = _checksum.pack(zlib.crc32(head + content)) == before[: _checksum.size]
    return (number, content) if is_whole else None
