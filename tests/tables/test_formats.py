"""The same table in each format, plain and compressed, and what only some formats have."""

import bz2
import gzip
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from service.errors import Invalid, TooLarge
from tests.tables.malformed import arrow
from tests.tables.tables import csv, table_of

GIVEN: dict[str, list[Any]] = {
    "y": [1.5, 2.5, 3.5],
    "a": [1, None, 3],
    "b": [True, False, None],
    "c": ["u", None, "v"],
}
STORED = {"a": [1.0, None, 3.0], "b": [1.0, 0.0, None], "c": ["u", None, "v"], "y": GIVEN["y"]}
TYPES = {"a": "number", "b": "boolean", "c": "text", "y": "number"}


def parquet(columns: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


def arrow_file(columns: Any) -> bytes:
    sink = io.BytesIO()
    table = pa.table(columns)
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return sink.getvalue()


def ndjson(columns: dict[str, list[Any]]) -> bytes:
    rows = zip(*columns.values(), strict=True)
    lines = (json.dumps(dict(zip(columns, row, strict=True))) for row in rows)
    return "\n".join([*lines, ""]).encode()


CSV = b"y,a,b,c\n1.5,1,true,u\n2.5,,false,\n3.5,3,,v\n"

FILES = {
    "csv": CSV,
    "gzip": gzip.compress(CSV),
    "gzip in two members": gzip.compress(CSV[:20]) + gzip.compress(CSV[20:]),
    "zstd": pa.compress(CSV, "zstd", asbytes=True),
    "bz2": bz2.compress(CSV),
    "parquet": parquet(GIVEN),
    "brotli": parquet(GIVEN, compression="brotli"),
    "row groups": parquet(GIVEN, row_group_size=1),
    "arrow": arrow(GIVEN),
    "arrow, zstd within": arrow(GIVEN, compression="zstd"),
    "arrow in gzip": gzip.compress(arrow(GIVEN)),
    "arrow file": arrow_file(GIVEN),
    "ndjson": ndjson(GIVEN),
    "ndjson in gzip": gzip.compress(ndjson(GIVEN)),
    "ndjson without the last line break": ndjson(GIVEN).rstrip(),
    "ndjson of Windows": b"\xef\xbb\xbf" + ndjson(GIVEN).replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("body", FILES.values(), ids=FILES.keys())
def test_a_table_is_the_same_in_each_format(body: bytes, tmp_path: Path) -> None:
    table = table_of(tmp_path, body)
    assert (table.columns, table.types) == (STORED, TYPES)


@pytest.mark.parametrize(
    ("array", "type_", "stored"),
    [
        (pa.array([1, None, 255], pa.uint8()), "number", [1, None, 255]),
        (pa.array([1.5, None, float("nan")], pa.float32()), "number", [1.5, None, None]),
        (pa.array([1.5, None, 2], pa.float16()), "number", [1.5, None, 2]),
        (pa.array([Decimal("1.25"), None, Decimal(2)]), "number", [1.25, None, 2]),
        (pa.array([2**60, None, 7]), "text", [str(2**60), None, "7"]),
        (pa.array([2**63, None, 7], pa.uint64()), "text", [str(2**63), None, "7"]),
        (pa.array(["u", "", "007"]), "text", ["u", None, "007"]),
        (pa.array(["1", "2", None]), "text", ["1", "2", None]),
        (pa.array(["NA", "b", None]), "text", ["NA", "b", None]),
        (pa.array(["u", None, "v"], pa.large_string()), "text", ["u", None, "v"]),
        (pa.array(["u", None, "v"], pa.string_view()), "text", ["u", None, "v"]),
        (pa.array(["u", None, "v"]).dictionary_encode(), "text", ["u", None, "v"]),
        (pa.array([True, None, False]), "boolean", [1, None, 0]),
    ],
    ids=str,
)
def test_arrow_knows_its_types(array: Any, type_: str, stored: list[Any], tmp_path: Path) -> None:
    table = table_of(tmp_path, arrow({"y": [1, 2, 3], "a": array}))
    assert (table.types["a"], table.columns["a"]) == (type_, stored)
    assert not any("missing=" in note for note in table.profile("a").notes)


@pytest.mark.parametrize(
    "day",
    [
        date(2024, 1, 2),
        datetime(2024, 1, 2),
        datetime(2024, 1, 2, tzinfo=UTC),
        "2024-01-02",
    ],
)
def test_typed_times_are_kept_to_order_by(day: Any, tmp_path: Path) -> None:
    body = parquet({"y": [1, 2], "a": [3, 4], "day": [day, None]})
    table = table_of(tmp_path, body, exclude=["day"])
    assert table.columns["day"] == [datetime(2024, 1, 2), None]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_beyond_any_calendar_are_missing(unit: str, tmp_path: Path) -> None:
    at = pa.array([2**62, 7, -(2**62)], pa.timestamp(unit))
    table = table_of(tmp_path, arrow({"y": [1, 2, 3], "a": [1, 2, 3], "at": at}), exclude=["at"])
    assert table.columns["at"][1] is not None
    assert (table.columns["at"][0] is None) == (unit != "ns")


def test_what_cannot_be_ordered_is_left_out_if_excluded(tmp_path: Path) -> None:
    body = parquet({"y": [1, 2], "a": [3, 4], "tags": [["u"], []], "raw": [b"\0", b""]})
    table = table_of(tmp_path, body, exclude=["tags", "raw"])
    assert list(table.columns) == ["a", "y"]
    assert table.contents.table_schema.others == ()
    assert '"tags", "raw"' in table.contents.notes[-1]


def test_members_of_ndjson_may_come_late_and_be_absent(tmp_path: Path) -> None:
    pad = "A" * 1000
    rows = [json.dumps({"y": row, "a": row % 7, "pad": pad}) for row in range(3000)]
    rows.append(json.dumps({"late": 1, "y": 5}))
    rows.append(json.dumps({"late": 2.5, "y": 6}))
    table = table_of(tmp_path, "\n".join(rows), exclude=["pad"])
    assert table.columns["late"] == [None] * 3000 + [1, 2.5]
    assert table.columns["a"][-1] is None


def test_texts_of_ndjson_that_look_like_dates_may_be_none(tmp_path: Path) -> None:
    rows = [{"y": row, "a": row, "b": "2024-01-02", "pad": "A" * 1000} for row in range(3000)]
    rows.append({"y": 1, "a": 2, "b": "never", "pad": "A"})
    body = "\n".join(map(json.dumps, rows))
    table = table_of(tmp_path, body, exclude=["pad", "b"])
    assert table.columns["b"][-1] == "never"
    assert table.columns["b"][0] == "2024-01-02"


def test_a_member_of_ndjson_must_not_change_its_type(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"y": row, "a": row, "pad": "A"} for row in range(10)]
    rows += [{"y": row, "pad": "A" * 1000} for row in range(2990)]
    rows.append({"y": 1, "a": "x"})
    body = "\n".join(map(json.dumps, rows))
    with pytest.raises(Invalid, match='row 3001 of column "a" is "x"'):
        table_of(tmp_path, body, exclude=["pad"])


def test_what_is_stored_is_what_the_trainer_expects(tmp_path: Path) -> None:
    number = 300_000
    columns = {"y": range(number), "a": range(number), "b": ["u", "v", ""] * (number // 3)}
    table_of(tmp_path, csv(**columns))
    file = pyarrow.parquet.ParquetFile(tmp_path / "data.parquet")
    groups = [file.metadata.row_group(index) for index in range(file.num_row_groups)]
    assert max(group.num_rows for group in groups) <= 131_072
    assert file.num_row_groups < 10
    assert file.schema_arrow.field("a").type == file.schema_arrow.field("y").type == pa.float64()
    assert file.schema_arrow.field("b").type == pa.string()
    assert all(group.column(0).statistics.has_min_max for group in groups)
    assert any("DICTIONARY" in each for each in groups[0].column(1).encodings)


def test_a_text_that_is_repeated_does_not_fill_the_memory(tmp_path: Path) -> None:
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), ["A" * 100_000])
    body = arrow({"y": pa.array(range(20_000)), "a": long})
    with pytest.raises(TooLarge):
        table_of(tmp_path, body)
