"""An object store, and what this machine keeps of it.

artifacts/.store/
  url              of the store
  head.json        the newest head that anybody here has read; see head.py
  confirmed        when it was last found to be the newest, by the clock of this machine
  kept/            small objects that never change, by their keys
  tables/          revisions of tables, by their ids
  incoming/        what is being fetched
"""

import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from errno import EEXIST
from pathlib import Path

import msgspec

from service import clock
from service.file_lock import locked
from service.objects import Objects, Tag, Unchanged
from service.store.head import Head, new_id

FOLDER = ".store"

HEAD = "head.json"

AT_ONCE = 16
"""Requests for small objects."""


class Known(msgspec.Struct, frozen=True):
    """A head, and by what the store tells it from others; none before there is one."""

    head: Head
    tag: Tag | None = None


class Store:
    """The objects, and the folder with what is kept of them. All processes here may share it."""

    def __init__(self, objects: Objects, artifacts: Path, url: str = "") -> None:
        self.objects = objects
        self.url = url
        self.folder = artifacts / FOLDER
        self.incoming = self.folder / "incoming"
        self._read: tuple[tuple[int, int], Known] | None = None
        self._threads = ThreadPoolExecutor(AT_ONCE)

    def prepare(self) -> None:
        """Makes the folder.

        Raises:
            FileExistsError: It belongs to another store.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder):
            of = self.folder / "url"
            if not of.exists():
                _write(of, self.url.encode())
            if of.read_text() != self.url:
                raise FileExistsError(EEXIST, "it keeps what is in another object store")

    @property
    def head(self) -> Head:
        """The newest head that anybody on this machine has read.

        Raises:
            Unavailable: Nobody has, and the store does not answer.
        """
        known = self._on_disk()
        return known.head if known else self.refresh().head

    def refresh(self) -> Known:
        """The head as it is now; others on this machine know it, too, from then on.

        Raises:
            Unavailable: The store does not answer.
        """
        asked_at, known = clock.now(), self._on_disk()
        try:
            found = self.objects.get(HEAD, known.tag if known else None)
        except Unchanged:
            assert known is not None
        else:
            known = Known(msgspec.json.decode(found[0], type=Head), found[1]) if found else None
            known = known or Known(Head())
            self._keep(known)
        self._confirm(asked_at)
        return known

    def swap(self, known: Known, head: Head) -> bool:
        """Makes `head` the next one after one that was read, if that is still the newest.

        Returns:
            Whether it was made, once and for all: also where the reply to that was lost.

        Raises:
            Unavailable: The store does not answer; it may have been made.
        """
        swap = new_id()
        head = head.swapped_by(swap)
        tag = self.objects.swap(HEAD, msgspec.json.encode(head), known.tag)
        if tag is None:
            return swap in self.refresh().head.recent
        self._keep(Known(head, tag))
        return True

    def change(self, make: Callable[[Head], Head]) -> None:
        """Changes the head: `make` is asked with what it is until its answer is swapped in. The
        same head as an answer says that nothing is to be done."""
        while True:
            known = self.refresh()
            head = make(known.head)
            if head is known.head or self.swap(known, head):
                return

    def delete(self, prefix: str) -> None:
        """Removes what is below a prefix that ends with a slash, and that it is to be removed."""
        self.objects.delete([each.key for each in self.objects.list(prefix)])
        self.change(lambda head: head.without(prefix))

    def unconfirmed_seconds(self) -> float:
        """How long it is not known whether the head on this machine is the newest."""
        with suppress(OSError, ValueError):
            at, _, boot = (self.folder / "confirmed").read_text().partition(" ")
            if boot == clock.boot():
                return max(0.0, clock.now() - float(at))
        return float("inf")

    def kept(self, key: str) -> bytes | None:
        """A small object that never changes; None if there is none."""
        path = self.folder / "kept" / key
        with suppress(FileNotFoundError):
            if content := path.read_bytes():  # a power cut may have left nothing of it
                return content
        found = self.objects.get(key)
        if found is None:
            return None
        with suppress(FileNotFoundError):  # its folder may go at this moment: see tidying.py
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, found[0])
        return found[0]

    def kept_all(self, keys: Iterable[str]) -> list[bytes | None]:
        """Small objects that never change, fetched at once."""
        return list(self._threads.map(self.kept, keys))

    def _on_disk(self) -> Known | None:
        path = self.folder / HEAD
        try:
            status = path.stat()
            now, read = (status.st_ino, status.st_mtime_ns), self._read
            if read is None or read[0] != now:
                # As one: else another thread could take an older head for that of this file.
                self._read = read = now, msgspec.json.decode(path.read_bytes(), type=Known)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        return read[1]

    def _keep(self, known: Known) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder):
            newest = self._on_disk()
            if newest is None or newest.head.swaps < known.head.swaps:
                _write(self.folder / HEAD, msgspec.json.encode(known))

    def _confirm(self, asked_at: float) -> None:
        _write(self.folder / "confirmed", f"{asked_at} {clock.boot()}".encode())


def _write(path: Path, content: bytes) -> None:
    """Any number of processes may write it; it is not worth more than to be fetched again."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        temporary.write_bytes(content)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
