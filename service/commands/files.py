"""A file that a command is given, or the standard input."""

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO

import typer

STANDARD_INPUT = "-"


def opened(file: str) -> AbstractContextManager[BinaryIO]:
    """Opens a file; `-` is the standard input. Raises BadParameter where it cannot be read."""
    if file == STANDARD_INPUT:
        return nullcontext(sys.stdin.buffer)
    try:
        return open(file, "rb")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise typer.BadParameter(f"'{file}' cannot be read: {why}", param_hint="FILE") from None


def contents(file: str) -> bytes:
    """All that a file holds. Raises BadParameter where it cannot be read."""
    with opened(file) as content:
        return content.read()
