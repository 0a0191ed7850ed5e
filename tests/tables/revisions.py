"""Small tables, staged as the reading process leaves them."""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from models.schema import Column, TableSchema
from service.tables.contents import Contents
from service.tables.options import Options
from service.tables.revisions import Description, Stored, Upload
from service.tables.store import DATA, Tables

OPTIONS = Options(target="price")


def schema_of(features: Sequence[str]) -> TableSchema:
    """Numbers, from which to learn a price; rows can be ordered by a time."""
    columns = tuple(Column(name=name, type="number") for name in features)
    return TableSchema(features=columns, target="price", task="regression", others=("sold",))


def stored(
    content: bytes, features: Sequence[str] = ("rooms",), options: Options = OPTIONS
) -> Stored:
    """What is kept of a table that was read from `content`."""
    return Stored(
        created_at=datetime.now(UTC),
        upload=Upload(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content)),
        options=options,
        contents=Contents(table_schema=schema_of(features), rows=2, profile=[]),
    )


def stage(tables: Tables, features: Sequence[str] = ("rooms",)) -> Path:
    """A folder as the reading process leaves it."""
    folder = tables.staging / str(uuid.uuid4()) / "table"
    folder.mkdir(parents=True)
    columns = {name: [1.0, 2.0] for name in [*features, "price"]}
    parquet.write_table(pa.table(columns), folder / DATA)
    return folder


def publish(
    tables: Tables,
    name: str,
    content: bytes = b"",
    features: Sequence[str] = ("rooms",),
    options: Options = OPTIONS,
) -> tuple[Description, bool]:
    """Publishes a table that was read knowing what the dataset's columns are."""
    about = stored(content, features, options)
    return tables.publish(name, stage(tables, features), about, tables.expected(name))
