"""The worker's folder for temporary files, below the artifacts.

That of the machine may be missing or full, and `multiprocessing` makes a socket there, whose path
has at most 107 bytes. Only the worker connects to it.
"""

import os
import shutil
import socket
import sys
import tempfile
from multiprocessing.util import get_temp_dir
from pathlib import Path

NAME = ".worker-{}.tmp"


def prepare(folder: Path) -> None:
    """Makes `folder` empty; this process and those it starts have their temporary files there.

    What holds no sockets, as some network drives, leaves these to the machine's own folder.

    Raises:
        OSError: The folder cannot be made, or nowhere can a socket be made.
    """
    shutil.rmtree(folder, ignore_errors=True)  # a worker that was killed has left it
    folder.mkdir(exist_ok=True)
    try:
        tempfile.tempdir = _name_for_sockets(folder)
    except OSError:
        tempfile.tempdir = _name_for_sockets(Path(tempfile.gettempdir()))
    os.environ.update(TMPDIR=os.fspath(folder.absolute()))


def tidy_up(folder: Path) -> None:
    """Removes it all: `multiprocessing` would at an exit, for which a worker has no time."""
    shutil.rmtree(get_temp_dir(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _name_for_sockets(folder: Path) -> str:
    """A name of this folder that is short, after a socket has been made there."""
    name = os.fspath(folder)
    if sys.platform == "linux":
        name = f"/proc/self/fd/{os.open(folder, os.O_PATH | os.O_DIRECTORY)}"
    path = tempfile.mktemp(dir=name)  # noqa: S306 (bind makes it, or fails)
    with socket.socket(socket.AF_UNIX) as probe:
        probe.bind(path)
    os.unlink(path)
    return name
