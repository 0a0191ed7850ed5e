"""Small uploads, read as the service reads them."""

from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet

from models.schema import TableSchema
from service.tables.contents import ColumnProfile, Contents
from service.tables.options import Bounds, Options
from service.tables.table import DATA, read

BOUNDS = Bounds(
    max_bytes=2**28, max_rows=10**6, max_columns=1000, max_distinct=1000, memory_bytes=2**30
)


class Table(NamedTuple):
    """What became of an upload."""

    contents: Contents
    columns: dict[str, list[Any]]
    """What is stored."""

    def profile(self, name: str) -> ColumnProfile:
        """That of one column."""
        return next(each for each in self.contents.profile if each.name == name)

    @property
    def types(self) -> dict[str, str]:
        """Of all columns."""
        return {each.name: each.type for each in self.contents.profile}


def table_of(
    folder: Path,
    body: bytes | str,
    expected: TableSchema | None = None,
    bounds: Bounds = BOUNDS,
    **options: Any,
) -> Table:
    """Reads an upload; a text is sent as UTF-8."""
    upload = folder / "upload"
    upload.write_bytes(body.encode() if isinstance(body, str) else body)
    given = Options.model_validate({"target": "y", **options})
    contents = read(upload, folder, given, bounds, expected)
    stored = pyarrow.parquet.read_table(folder / DATA)
    assert stored.num_rows == contents.rows
    return Table(contents, stored.to_pydict())


def csv(**columns: Any) -> str:
    """A CSV file of some columns."""
    rows = zip(*columns.values(), strict=True)
    return "\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows), ""])
