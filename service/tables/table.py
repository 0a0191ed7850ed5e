"""From an upload to a table: read, checked, profiled and written as Parquet."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from models.ahead import ahead
from models.schema import Column as Feature
from models.schema import TableSchema, Type
from service.errors import BadRequest, Invalid, TooLarge, excerpt
from service.tables import names
from service.tables.column import Column
from service.tables.contents import Contents
from service.tables.options import Bounds, Options
from service.tables.profile import Profile
from service.tables.source import Source
from service.tables.steps import open_upload, steps
from service.tables.target import Target
from service.tables.values import Array
from service.tables.writer import Writer

DATA = "data.parquet"
FIRST = "first.parquet"
"""Of a table that stays elsewhere."""

LOOKED_AT = 100
"""So many rows of it are kept, for people to look at."""

OnRows = Callable[[int], None]


class Converted(NamedTuple):
    """Some rows of a file as they are stored."""

    rows: int
    """In all, up to here."""
    batch: Array | None
    """A `pyarrow.RecordBatch`; None: they must be read again."""


def read(
    upload: Path,
    folder: Path,
    options: Options,
    bounds: Bounds,
    expected: TableSchema | None = None,
    on_rows: OnRows = lambda rows: None,
) -> Contents:
    """Reads an upload, and writes `data.parquet`; `first.parquet`, if it stays elsewhere.

    `expected` is the schema of the dataset's other revisions, if there are any; `on_rows` is told
    now and then how many rows were read.

    Raises:
        BadRequest: The file cannot be read; says what to do.
        Conflict: It is not as expected.
        Invalid: It holds something that nothing can be learned from.
        TooLarge: It holds more than is allowed, or takes more memory.
        Unavailable: An object store does not answer.
        OSError: The disk does not do its part.
    """
    kept, most = (FIRST, LOOKED_AT) if options.url else (DATA, None)
    try:
        source = open_upload(upload, options, bounds)
        columns = _columns(source, options, expected)
        target = Target(next(each for each in columns if each.role == "target"), options, expected)
        rows = None
        while rows is None:
            with Writer(folder / kept, columns, bounds.max_distinct, most) as writer:
                converted = _converted(source, columns, target, options, bounds)
                rows = _copy(converted, target, writer, on_rows)
        if expected is None:
            _refuse_useless(writer.profiles)
        return Contents(
            table_schema=expected or _schema(columns, target),
            rows=writer.rows,
            dropped=rows - writer.rows,
            profile=[profile.summary(target.classes) for profile in writer.profiles],
            notes=[*source.notes, *_left_out(source)],
        )
    except MemoryError:
        raise TooLarge("to read the file takes more memory than is allowed") from None


def _columns(source: Source, options: Options, expected: TableSchema | None) -> list[Column]:
    """The features, the target, and what else is kept."""
    roles = names.roles(source.names, options, expected)
    for name, kind in source.unreadable.items():
        if roles.pop(name, "other") != "other":
            raise Invalid(
                f"column {excerpt(name)} holds {excerpt(kind)}, and neither numbers, booleans nor "
                f"texts: pass exclude={name}"
            )
    types: dict[str, Type] = {}
    if expected is not None:
        types = {feature.name: feature.type for feature in expected.features}
        if expected.task == "regression":
            types[expected.target] = "number"
    return [
        Column(name, role, source.style, name in options.categorical, types.get(name))
        for role in ("feature", "target", "other")
        for name, its_role in roles.items()
        if its_role == role
    ]


def _copy(
    converted: Iterator[Converted], target: Target, writer: Writer, on_rows: OnRows
) -> int | None:
    """Writes all rows; returns how many were read, or None if a type was not what it seemed.

    Then it is right at the next attempt.
    """
    read = Converted(0, None)
    for read in converted:
        if read.batch is not None:
            writer.add(read.batch)
        on_rows(read.rows)
    if read.rows == 0:
        raise BadRequest("the file has no rows, only the names of columns")
    target.check()
    if read.batch is None:
        return None
    writer.flush()
    if writer.rows == 0:
        raise Invalid("no row has a value of the target")
    return read.rows


def _converted(
    source: Source, columns: list[Column], target: Target, options: Options, bounds: Bounds
) -> Iterator[Converted]:
    """Goes through a file. After a type that was not what it seemed, only types are looked at."""
    row = 0
    is_settled = True
    for batch in ahead(steps(source)):
        if row + len(batch) > bounds.max_rows:
            raise TooLarge(f"the table has more than {bounds.max_rows} rows")
        arrays = []
        has_target = None
        for column in columns:
            index = batch.schema.get_field_index(column.name)
            array = pa.nulls(len(batch)) if index < 0 else batch.column(index)
            values = column.convert(array, row)
            if column.role == "target" and values is not None:
                has_target = _has_target(column, values, row, options)
                values = target.encode(values, row)
            arrays.append(values)
        row += len(batch)
        is_settled = is_settled and all(array is not None for array in arrays)
        if not is_settled:
            yield Converted(row, None)
            continue
        rows = pa.record_batch(arrays, [column.name for column in columns])
        yield Converted(row, rows if has_target is None else rows.filter(has_target))


def _has_target(column: Column, values: Array, row: int, options: Options) -> Array | None:
    """Which rows have a target; None: all."""
    if values.null_count == 0:
        return None
    if options.missing_target == "refuse":
        index = pc.index(values.is_null(), True).as_py()
        raise Invalid(
            f"{column.place(row + index)} has no value, and it is the target: pass "
            "missing_target=drop to leave such rows out"
        )
    return values.is_valid()


def _refuse_useless(profiles: list[Profile]) -> None:
    """Raises Invalid if a feature or the target tells nothing."""
    for what, useless in (
        ("holds no value", [each.column for each in profiles if each.is_empty]),
        (
            "holds the same value in each row",
            [each.column for each in profiles if each.is_constant],
        ),
    ):
        for column in useless:
            if column.role == "target":
                raise Invalid(f"column {excerpt(column.name)}, the target, {what}")
        features = [column.name for column in useless if column.role == "feature"]
        if features:
            raise Invalid(
                f"nothing can be learned from a column that {what}, like {names.listed(features)}: "
                f"pass exclude={','.join(features)}"
            )


def _schema(columns: list[Column], target: Target) -> TableSchema:
    return TableSchema(
        features=tuple(
            Feature(name=each.name, type=each.type)
            for each in columns
            if each.role == "feature" and each.type != "time"
        ),
        target=target.column.name,
        task=target.task,
        classes=target.classes,
        others=tuple(each.name for each in columns if each.role == "other"),
    )


def _left_out(source: Source) -> Iterator[str]:
    if source.unreadable:
        yield f"left out, for rows cannot be ordered by them: {names.listed(source.unreadable)}"
