"""Folders for what is on its way into the store of tables or out of it.

artifacts/.datasets/.staging/{uuid}/    locked by the process that needs it; else it can go
"""

import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from service.file_lock import try_lock


class Staged(NamedTuple):
    """A folder, and the descriptor that holds its lock."""

    folder: Path
    descriptor: int


def take(staging: Path) -> Staged:
    """Makes a folder that stays until it is discarded, or until this process ends."""
    while True:
        folder = staging / str(uuid.uuid4())
        folder.mkdir(parents=True)
        with suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY)
            if try_lock(descriptor) and folder.exists():  # else it was taken for a leftover
                return Staged(folder, descriptor)
            os.close(descriptor)


def discard(staged: Staged) -> None:
    """Removes a folder and all that is in it."""
    shutil.rmtree(staged.folder, ignore_errors=True)
    os.close(staged.descriptor)


def clear(staging: Path) -> None:
    """Removes what no living process needs."""
    with suppress(FileNotFoundError):
        for folder in list(staging.iterdir()):
            _clear(folder)


def _clear(folder: Path) -> None:
    with suppress(FileNotFoundError):  # another process has just done so
        descriptor = os.open(folder, os.O_RDONLY)
        if try_lock(descriptor):
            discard(Staged(folder, descriptor))
        else:
            os.close(descriptor)
