"""The look of the benchmarks' tables."""

from rich import box
from rich.table import Table


def table(first: str, *headings: str) -> Table:
    """An empty table with its numbers to the right."""
    result = Table(first, box=box.SIMPLE_HEAD)
    for heading in headings:
        result.add_column(heading, justify="right")
    return result
