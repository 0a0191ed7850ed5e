"""Folders for what is on its way, each locked by the process that needs it; else it can go.

{parent}/{uuid}/
"""

import os
import shutil
import uuid
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from service.file_lock import try_lock


class Taken(NamedTuple):
    """A folder, and the descriptor that holds its lock."""

    folder: Path
    descriptor: int


def take(parent: Path) -> Taken:
    """Makes a folder that stays until it is discarded, or until this process ends."""
    while True:
        folder = parent / str(uuid.uuid4())
        folder.mkdir(parents=True)
        with suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY)
            if try_lock(descriptor) and folder.exists():  # else it was taken for a leftover
                return Taken(folder, descriptor)
            os.close(descriptor)


def discard(taken: Taken) -> None:
    """Removes a folder and all that is in it."""
    shutil.rmtree(taken.folder, ignore_errors=True)
    os.close(taken.descriptor)


def clear(parent: Path, keep: Collection[str] = ()) -> None:
    """Removes what no living process needs, but for these names."""
    with suppress(FileNotFoundError):
        for folder in list(parent.iterdir()):
            if folder.name not in keep:
                _clear(folder)


def _clear(folder: Path) -> None:
    with suppress(FileNotFoundError):  # another process has just done so
        descriptor = os.open(folder, os.O_RDONLY)
        if try_lock(descriptor):
            discard(Taken(folder, descriptor))
        else:
            os.close(descriptor)
