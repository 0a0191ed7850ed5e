"""Locks on files and folders, which end with the process that holds them."""

import fcntl
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_AGAIN_SECONDS = 0.02


class Locked(Exception):
    """Another one holds the lock."""


def try_lock(descriptor: int, shared: bool = False) -> bool:
    """Whether the lock was free, and is held now; it never waits.

    Raises:
        OSError: The file system knows no locks.
    """
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def locked(path: Path, seconds: float = math.inf) -> Iterator[int]:
    """Holds the lock of a file or folder: one process, and one thread of it, at a time. Gives its
    descriptor: by now, its path may lead elsewhere.

    Raises:
        Locked: Another has held it for as long.
        OSError: There is no such path, or the file system knows no locks.
    """
    descriptor = os.open(path, os.O_RDONLY)
    deadline = time.monotonic() + seconds
    try:
        while not try_lock(descriptor):
            if time.monotonic() > deadline:
                raise Locked
            time.sleep(LOCK_AGAIN_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)
