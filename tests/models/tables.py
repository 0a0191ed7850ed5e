"""A small table whose target rests on products of features, as a revision on the disk has it."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models.parquet import OneFile, batch_rows
from models.schema import Column, TableSchema, Task

CITIES = ("Oslo", "Rome", "Zürich", "Brașov", "São Paulo")


def make_table(
    folder: Path,
    rows: int = 1000,
    task: Task = "regression",
    seed: int = 0,
    row_group_rows: int = 131_072,
) -> tuple[OneFile, TableSchema]:
    """Writes `data.parquet` with two numbers, a boolean, a text and a date.

    A tenth of `area` and of `city` is missing. The date `sold`, no feature, grows with the rows.
    """
    draw = np.random.default_rng(seed)
    rooms = draw.integers(1, 9, rows).astype(np.float64)
    area = np.round(draw.normal(70, 20, rows), 1)
    garden = draw.integers(0, 2, rows).astype(np.float64)
    city = draw.integers(0, len(CITIES), rows)
    price = rooms * area / 100 + garden * city
    no_area, no_city = draw.random((2, rows)) < 0.1
    binary = task == "binary"
    columns = {
        "rooms": pa.array(rooms),
        "area": pa.array(area, mask=no_area),
        "garden": pa.array(garden),
        "city": pa.array(np.array(CITIES, object)[city], pa.string(), mask=no_city),
        "sold": pa.array(
            [datetime(2020, 1, 1) + timedelta(minutes=row) for row in range(rows)],
            pa.timestamp("us"),
        ),
        "price": pa.array((price > np.median(price)).astype(np.float64) if binary else price),
    }
    parquet = folder / "data.parquet"
    pq.write_table(pa.table(columns), parquet, row_group_size=row_group_rows)
    schema = TableSchema(
        features=(
            Column(name="rooms", type="number"),
            Column(name="area", type="number"),
            Column(name="garden", type="boolean"),
            Column(name="city", type="text"),
        ),
        target="price",
        task=task,
        classes=("cheap", "dear") if binary else None,
        others=("sold",),
    )
    return OneFile(parquet), schema


class Apart(NamedTuple):
    """A file whose row groups are read by themselves, as if it were elsewhere."""

    path: Path
    is_elsewhere: bool = True

    @property
    def groups(self) -> Sequence[int]:
        about = pq.read_metadata(self.path)
        return [about.row_group(index).num_rows for index in range(about.num_row_groups)]

    def start(self, group: int) -> int:
        return sum(self.groups[:group])

    def batches(self, names: Sequence[str], group: int) -> Iterator[Any]:
        with pq.ParquetFile(self.path) as file:
            yield from file.iter_batches(batch_rows(names), row_groups=[group], columns=names)

    def digest(self) -> "hashlib._Hash":
        return OneFile(self.path).digest()
