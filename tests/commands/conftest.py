"""Commands as a shell starts them."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import CROSSCHECK, Service

Ended = subprocess.CompletedProcess[bytes]
Ask = Callable[..., Ended]


def environment(url: str, **more: str) -> dict[str, str]:
    return {**os.environ, "CROSSCHECK_URL": url, **more}


def ask_at(url: str, *arguments: object, stdin: bytes = b"", **more: str) -> Ended:
    """Runs a command whose output goes into a pipe."""
    command = [CROSSCHECK, *map(str, arguments)]
    given = environment(url, **more)
    return subprocess.run(command, env=given, input=stdin, capture_output=True, check=False)


def on_terminal(url: str, *arguments: object) -> tuple[int, str]:
    """Runs a command on a terminal; returns its exit code, and what it shows there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    command = [CROSSCHECK, *map(str, arguments)]
    given = environment(url, TERM="xterm", COLUMNS="200")
    process = subprocess.Popen(command, env=given, start_new_session=True, **streams)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 2**16):
            shown += piece
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
    return process.wait(), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


@pytest.fixture
def ask(service: Service) -> Ask:
    """Asks the shared service."""

    def asked(*arguments: object, stdin: bytes = b"") -> Ended:
        return ask_at(str(service.client.base_url), *arguments, stdin=stdin)

    return asked
