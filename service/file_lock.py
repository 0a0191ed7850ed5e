"""Locks on files and folders, which end with the process that holds them."""

import fcntl


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
