"""A dataset as a table for people."""

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

FREQUENT = 3


def described(datasets: list[dict[str, Any]]) -> RenderableType:
    """The columns of datasets, and what was noted about them."""
    parts: list[RenderableType] = []
    for each in datasets:
        parts += [profile_table(each), *map(Text, notes(each))]
    return Group(*parts)


def profile_table(dataset: dict[str, Any]) -> Table:
    """A row for each column of a dataset."""
    name, rows = dataset["name"], dataset["rows"]
    revision = dataset["revision"]
    title = f"{name}{f', revision {revision}' if revision else ''}: {rows:,} rows"
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("column", "type", "missing", "distinct", "values"):
        table.add_column(heading, justify="right" if heading in ("missing", "distinct") else "left")
    for column in dataset["profile"]:
        role = "" if column["role"] == "feature" else f", {column['role']}"
        distinct = column["distinct"]
        cells = (
            column["name"],
            column["type"] + role,
            f"{column['missing']:,}",
            "many" if distinct is None else f"{distinct:,}",
            _values(column, rows),
        )
        table.add_row(*map(Text, cells))
    return table


def notes(dataset: dict[str, Any]) -> Iterator[str]:
    """How a dataset was understood, and what to look at."""
    yield from dataset["notes"]
    for column in dataset["profile"]:
        for note in column["notes"]:
            yield f"{column['name']}: {note}"


def in_short(value: bool | float | str) -> str:
    """A value with six digits."""
    if isinstance(value, float):
        return f"{value:.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:.6g}"
    return str(value)


def _values(column: dict[str, Any], rows: int) -> str:
    if column["least"] is None:
        frequent = column["most_frequent"][:FREQUENT]
        return ", ".join(f"{in_short(value)} {count / rows:.0%}" for value, count in frequent)
    span = f"{in_short(column['least'])} … {in_short(column['greatest'])}"
    return span if column["mean"] is None else f"{span}, mean {in_short(column['mean'])}"
