"""What commands print: tables on a terminal, JSON lines in a pipe; what is no result, as errors."""

import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def on_terminal() -> bool:
    """Whether a person reads the results as they are."""
    return out.is_terminal


def show(found: Iterable[dict[str, Any]], draw: Callable[[list[Any]], RenderableType]) -> None:
    """Draws what was found, on a terminal; else prints each as a line of JSON, as it comes."""
    if on_terminal():
        out.print(draw([*found]))
    else:
        for each in found:
            line(each)


def line(found: dict[str, Any]) -> None:
    """Prints an object as a line of JSON, at once."""
    sys.stdout.write(json.dumps(found, ensure_ascii=False, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def tell(text: str) -> None:
    """Prints a line that is no result."""
    err.print(text, markup=False, soft_wrap=True)


def progress_bars() -> Progress:
    """Bars whose tasks have a field `state`: how far they are, in words."""
    return Progress(
        TextColumn("{task.description:>8}"),
        BarColumn(),
        TextColumn("{task.fields[state]}", markup=False),
        TimeElapsedColumn(),
        console=err,
        disable=not err.is_terminal,
    )
