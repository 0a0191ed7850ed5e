"""Folders for what is on its way, each locked by the process that needs it; else it can go.

{parent}/{uuid}/
"""

import os
import shutil
import uuid
from collections.abc import Callable
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


def clear(parent: Path, is_needed: Callable[[str], bool] = lambda name: False) -> None:
    """Removes what no living process needs.

    Args:
        is_needed: Whether a folder of this name stays even so. It is asked once its lock is held:
            who held it before has done all that it did.
    """
    with suppress(FileNotFoundError):
        for folder in list(parent.iterdir()):
            _clear(folder, is_needed)


def _clear(folder: Path, is_needed: Callable[[str], bool]) -> None:
    with suppress(FileNotFoundError):  # another process has just done so
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            if try_lock(descriptor) and not is_needed(folder.name):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)
