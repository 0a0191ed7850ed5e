"""Which version serves, and every change of it.

    serving.json     the last change: the version in it serves
    history.jsonl    all changes, a line each

A change takes effect by the rename that puts a new `serving.json` in place, and it is all there:
if its maker dies before it stands in the history as well, the next change puts it there first.
"""

import logging
import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from service.registry.manifest import sync, write_whole
from service.schemas import Change

logger = logging.getLogger(__name__)

POINTER = "serving.json"
HISTORY = "history.jsonl"

LONGEST_LINE = 8192
"""In bytes; the texts in a change are bounded."""


def pointer(folder: Path) -> bytes | None:
    """The pointer of a model's folder as it is on the disk, whole or damaged."""
    try:
        return (folder / POINTER).read_bytes()
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        return b"a directory"  # as damaged as any other text that is no pointer


def last_change(folder: Path) -> Change | None:
    """The change that stands; where the pointer is gone or damaged, the last in the history."""
    text = pointer(folder)
    if text is not None:
        with suppress(ValidationError):
            return Change.model_validate_json(text)
        logger.error("%s is damaged: its history says what is served", folder / POINTER)
    return next(_parsed(_lines(folder), folder), None)


def record(folder: Path, change: Change) -> None:
    """Makes a change. Its caller holds the lock of the model.

    Raises:
        OSError: It cannot be written, and has no effect.
    """
    _complete(folder)
    write_whole(folder / POINTER, change.model_dump_json() + "\n")
    with suppress(OSError):
        _complete(folder)


def changes(folder: Path, limit: int | None = None) -> list[Change]:
    """All changes, newest first, or the newest of them."""
    lines = _lines(folder, limit)
    last = last_change(folder)  # read after the history, or another could slip between them
    if last is not None and (not lines or lines[-1] != _line(last)):
        lines.append(_line(last))
    return list(_parsed(lines, folder))


def _complete(folder: Path) -> None:
    """Adds the last change to the history if it is not there; mends a line that was cut short."""
    last = last_change(folder)
    if last is None:
        return
    with (folder / HISTORY).open("a+b") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - LONGEST_LINE))
        tail = file.read()
        torn = len(tail) - (tail.rfind(b"\n") + 1)
        if torn:
            file.truncate(file.tell() - torn)
        elif tail.endswith(_line(last)):
            return
        file.write(_line(last))
        file.flush()
        os.fsync(file.fileno())
    sync(folder)


def _line(change: Change) -> bytes:
    return change.model_dump_json().encode() + b"\n"


def _lines(folder: Path, limit: int | None = None) -> deque[bytes]:
    try:
        with (folder / HISTORY).open("rb") as file:
            return deque((line for line in file if line.endswith(b"\n")), limit)
    except FileNotFoundError:
        return deque(maxlen=limit)


def _parsed(lines: deque[bytes], folder: Path) -> Iterator[Change]:
    """The changes that whole lines tell of, from the last to the first."""
    for line in reversed(lines):
        try:
            yield Change.model_validate_json(line)
        except ValidationError:
            logger.error("a line of %s is damaged", folder / HISTORY)
