"""A hundred kinds of files that are no tables to learn from, and what to tell of each."""

import bz2
import gzip
import io
import json
import math
import random
import struct
import sys
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet
from pydantic import JsonValue

from service.tables.options import Bounds

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BOUNDS = Bounds(
    max_bytes=2**22, max_rows=1000, max_columns=50, max_distinct=100, memory_bytes=2**30
)
"""What the statuses 413 are about."""

OPTIONS: Mapping[str, JsonValue] = {"target": "price"}

ROWS = [(100 + 7 * row, row % 5, f"{40 + row}.5", "ABC"[row % 3]) for row in range(30)]
COLUMNS: dict[str, list[Any]] = {
    "price": [100.0 + 7 * row for row in range(30)],
    "rooms": [row % 5 for row in range(30)],
    "area": [40.5 + row for row in range(30)],
    "city": ["ABC"[row % 3] for row in range(30)],
}


class Malformed(NamedTuple):
    """A body, the status that refuses it, and what the problem document says among other things."""

    kind: str
    body: bytes
    status: int
    says: str
    options: Mapping[str, JsonValue] = OPTIONS


def csv(*changed: str, header: str = "price,rooms,area,city", end: str = "\n") -> bytes:
    """A good table of 30 rows, then some other ones."""
    rows = [",".join(map(str, row)) for row in ROWS]
    return end.join([header, *rows, *changed, ""]).encode()


def parquet(**changed: Any) -> bytes:
    """A good table with other columns in it, or without one that is None."""
    sink = io.BytesIO()
    columns = {name: each for name, each in {**COLUMNS, **changed}.items() if each is not None}
    pyarrow.parquet.write_table(pa.table(columns), sink)
    return sink.getvalue()


def arrow(columns: Mapping[str, Any] = COLUMNS, **options: Any) -> bytes:
    """An Arrow stream."""
    sink = io.BytesIO()
    table = pa.table(dict(columns))
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def ndjson(*changed: str) -> bytes:
    """A good table of 30 rows, then some other lines."""
    rows = [
        json.dumps(dict(zip(COLUMNS, row, strict=True)))
        for row in zip(*COLUMNS.values(), strict=True)
    ]
    return "\n".join([*rows, *changed, ""]).encode()


def malformed() -> Iterator[Malformed]:
    """All of them."""
    yield from _no_tables()
    yield from _broken_csv()
    yield from _names()
    yield from _values()
    yield from _targets()
    yield from _too_large()
    yield from _broken_ndjson()
    yield from _broken_arrow()


def _no_tables() -> Iterator[Malformed]:
    for kind, body, says in (
        ("nothing", b"", "empty"),
        ("blanks", b" \r\n\t\n", "empty"),
        ("a byte order mark alone", b"\xef\xbb\xbf", "empty"),
        ("compressed nothing", gzip.compress(b""), "empty"),
        ("a workbook", b"PK\x03\x04\x14\0\x06\0[Content_Types].xml", "CSV UTF-8"),
        ("an old workbook", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, "CSV UTF-8"),
        ("a web page", b"<!DOCTYPE html><html><body>Sign in</body></html>", "HTML"),
        ("XML", b'<?xml version="1.0"?><rows/>', "XML"),
        ("a JSON array", b'[{"price": 1, "rooms": 2}]', "JSON array"),
        ("xz", b"\xfd7zXZ\0\0\x04", "xz"),
        ("7z", b"7z\xbc\xaf\x27\x1c\0\x04", "7z"),
        ("rar", b"Rar!\x1a\x07\x01\0", "rar"),
        ("lz4", b"\x04\x22\x4d\x18dp", "lz4"),
        ("PDF", b"%PDF-1.7\n", "PDF"),
        ("SQLite", b"SQLite format 3\0\x10\0", "SQLite"),
        ("ORC", b"ORC\x0a\x0b", "ORC"),
        ("Avro", b"Obj\x01\x04\x14avro.codec", "Avro"),
        ("Feather 1", b"FEA1\0\0\0\0", "Feather"),
        ("npy", b"\x93NUMPY\x01\0v\0{'descr': '<f8'}", "NumPy"),
        ("HDF5", b"\x89HDF\r\n\x1a\n", "HDF5"),
        ("a pickle", b"\x80\x04\x95\x0b\0\0\0", "pickle"),
        ("an image", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "the file"),
        ("a sentence", b"Dear all, here are the numbers.\n", "price"),
        ("one column", b"price\n1\n2\n", "delimiter"),
        ("zeros", b"\0" * 1000, "UTF-16"),
        ("noise", random.Random(5).randbytes(4000), ""),  # noqa: S311
    ):
        yield Malformed(kind, body, 422 if kind == "a sentence" else 400, says)


def _broken_csv() -> Iterator[Malformed]:
    latin = csv("1,2,3,Malmö").decode()
    for kind, body, status, says in (
        ("a header alone", b"price,rooms\n", 400, "no rows"),
        ("a header without a line break", b"price,rooms", 400, "no rows"),
        ("a row too short", csv("1,2,3"), 400, "row 31 has 3 values"),
        ("a row too long", csv("1,2,3,A,5"), 400, "row 31 has 5 values"),
        ("a comma in a number", csv("1,2,3,5,A"), 400, "row 31 has 5 values"),
        ("a quote that stays open", csv('1,2,3,"A', "1,2,3,B"), 400, "not closed"),
        ("a quote that opens a row", csv('"1,2,3,A', "1,2,3,B"), 400, "row 31"),
        ("a row of a megabyte", csv("1,2,3," + "A" * 2_200_000), 400, "longer than"),
        ("Windows' encoding", latin.encode("cp1252"), 400, "encoding=windows-1252"),
        ("Windows' encoding in names", "price,größe\n1,2\n".encode("cp1252"), 400, "windows-1252"),
        ("UTF-16 without a mark", latin.encode("utf-16-le"), 400, "encoding=utf-16"),
        ("half of UTF-16", latin.encode("utf-16")[:-1], 400, "utf-16"),
        ("half of UTF-8", csv("1,2,3,Malmö").replace(b"\xb6", b""), 400, "UTF-8"),
        ("gzip cut off", gzip.compress(csv())[:-20], 400, "decompressed"),
        ("gzip damaged", gzip.compress(csv())[:40] + b"\xff" * 40, 400, "decompressed"),
        ("zstd cut off", zstd.compress(csv())[:-20], 400, "decompressed"),
        ("bz2 damaged", bz2.compress(csv())[:40] + b"\xff" * 40, 400, "decompressed"),
        ("compressed twice", gzip.compress(gzip.compress(csv())), 400, "twice"),
    ):
        yield Malformed(kind, body, status, says)
    for kind, options, says in (
        ("another encoding", {"encoding": "utf-16"}, "utf-16"),
        ("ASCII that is none", {"encoding": "ascii"}, "ascii"),
        ("another delimiter", {"delimiter": ";"}, "one column"),
        ("no Parquet", {"format": "parquet"}, "cannot be read"),
        ("no Arrow", {"format": "arrow"}, "cannot be read"),
        ("no NDJSON", {"format": "ndjson"}, "row 1"),
    ):
        yield Malformed(kind, latin.encode(), 400, says, {**OPTIONS, **options})


def _names() -> Iterator[Malformed]:
    for kind, header, says in (
        ("a name twice", "price,rooms,rooms,city", '2 columns are called "rooms"'),
        ("no name", "price,,area,city", "column 2 has no name"),
        ("a blank name", 'price,rooms," ",city', "column 3 has no name"),
        ("a long name", f"price,{'r' * 201},area,city", "column 2: its name is longer"),
        ("a bell in a name", "price,ro\x07oms,area,city", "control characters"),
        ("a line break in a name", 'price,"ro\noms",area,city', "control characters"),
        ("a header that is a row", "101,3,40.5,A", 'no column "price"'),
        ("another name of the target", "prize,rooms,area,city", 'did you mean "prize"'),
        ("the target in capitals", "PRICE,rooms,area,city", 'did you mean "PRICE"'),
    ):
        yield Malformed(kind, csv(header=header), 422, says)
    chosen: tuple[tuple[str, dict[str, JsonValue], str], ...] = (
        ("an unknown feature", {"features": ["room"]}, 'did you mean "rooms"'),
        ("an unknown exclusion", {"exclude": ["citi"]}, 'did you mean "city"'),
        ("an unknown category", {"categorical": ["x"]}, 'no column "x"'),
        ("no features", {"features": []}, "left to learn from"),
        ("all excluded", {"exclude": ["rooms", "area", "city"]}, "left to learn from"),
    )
    for kind, options, says in chosen:
        yield Malformed(kind, csv(), 422, says, {**OPTIONS, **options})


def _values() -> Iterator[Malformed]:
    def column(*values: str) -> bytes:
        rows = [f"{row},{row % 7},{values[row % len(values)]}" for row in range(60)]
        return "\n".join(["price,rooms,x", *rows, ""]).encode()

    for kind, body, says in (
        ("infinity", csv("1,2,inf,A"), 'row 31 of column "area"'),
        ("minus infinity", csv("1,2,-Infinity,A"), 'row 31 of column "area"'),
        ("a number too large", csv("1,2,1e999,A"), 'row 31 of column "area"'),
        ("days", column("2024-01-02", "2024-03-04"), "exclude=x"),
        ("times", column("2024-01-02 03:04:05"), "exclude=x"),
        ("times of a zone", column("2024-01-02T03:04:05Z"), "exclude=x"),
        ("German days", column("31.12.2024", "1.2.2024"), "exclude=x"),
        ("American days", column("12/31/2024", "1/2/2024"), "exclude=x"),
        ("a constant number", column("7"), "exclude=x"),
        ("a constant text", column("Oslo"), "exclude=x"),
        ("nothing", column(""), "exclude=x"),
        ("all NA", column("NA", "null", "NaN"), "exclude=x"),
        ("a long text", csv("1,2,3," + "A" * 1001), 'row 31 of column "city"'),
        ("only different texts", column(*(f"user {row}" for row in range(60))), ""),
    ):
        if says:
            yield Malformed(f"{kind} as values", body, 422, says)
    many = "".join(f"{row},{row % 7},user {row}\n" for row in range(200))
    yield Malformed(
        "too many different texts", f"price,rooms,user\n{many}".encode(), 422, "exclude=user"
    )
    yield Malformed(
        "a word among many numbers",
        b"price,rooms,x\n"
        + b"".join(b"%d,%d,%d\n" % (n, n % 7, n) for n in range(200))
        + b"1,2,?\n",
        422,
        "missing=?",
    )
    codes: dict[str, JsonValue] = {**OPTIONS, "categorical": ["area"]}
    yield Malformed("codes with fractions", csv(), 422, 'row 1 of column "area"', codes)


def _targets() -> Iterator[Malformed]:
    def column(*values: str) -> bytes:
        rows = [f"{values[row % len(values)]},{row},{row % 7}" for row in range(60)]
        return "\n".join(["price,a,b", *rows, ""]).encode()

    for kind, body, says in (
        ("no value", csv(",2,3,A"), 'row 31 of column "price" has no value'),
        ("NaN", csv("nan,2,3,A"), "missing_target=drop"),
        ("infinity", csv("inf,2,3,A"), 'row 31 of column "price"'),
        ("three classes", column("a", "b", "c"), "more than two classes"),
        ("one class", column("yes"), "one value only"),
        ("one number", column("5"), "one value only"),
        ("a word among numbers", csv("?,2,3,A"), "missing=?"),
        ("decimal commas", column('"1,5"', '"2,5"', '"3,5"', '"4"'), "decimal=,"),
        ("days", column("2024-01-02", "2024-01-03"), "a target is a number"),
    ):
        yield Malformed(f"{kind} in the target", body, 422, says)
    drop = {**OPTIONS, "missing_target": "drop"}
    yield Malformed("no target at all", column(""), 422, "target", drop)
    for kind, task, body in (
        ("texts to be numbers", "regression", column("a", "b")),
        ("numbers to be classes", "binary", column("1", "2", "3")),
    ):
        yield Malformed(kind, body, 422, "a target is", {**OPTIONS, "task": task})


def _too_large() -> Iterator[Malformed]:
    long = b"price,rooms\n" + b"1,2\n3,4\n" * 2**18
    texts = ",".join(["A" * 900] * 50)
    bomb = ",".join(f"x{number}" for number in range(49)).encode()
    bomb = b"price," + bomb + f"\n{texts}".encode() * 150
    wide = ",".join(["price", *(f"x{number}" for number in range(50))])
    for kind, body, says in (
        ("many rows", b"price,rooms\n" + b"1,2\n3,4\n" * 501, "1000 rows"),
        ("many columns", f"{wide}\n{wide}\n".encode(), "50 are allowed"),
        ("a bomb of gzip", gzip.compress(bomb), "bytes"),
        ("a bomb of zstd", zstd.compress(long), ""),
        ("a bomb of bz2", bz2.compress(long), ""),
        ("many rows of Parquet", parquet(**_times(COLUMNS, 40)), "1000 are allowed"),
        ("many rows of Arrow", arrow(_times(COLUMNS, 40)), "1000 rows"),
        ("much Arrow", arrow({"price": ["x" * 10**6] * 5, "y": [1, 2, 3, 4, 5]}), "bytes"),
        ("much Arrow, compressed", arrow(_times(COLUMNS, 4000), compression="zstd"), ""),
        ("many members", _members(60), "50 are allowed"),
    ):
        yield Malformed(kind, body, 413, says)


def _times(columns: Mapping[str, list[Any]], times: int) -> dict[str, list[Any]]:
    return {name: values * times for name, values in columns.items()}


def _members(number: int) -> bytes:
    return "".join(
        json.dumps({"price": 1, f"x{each}": 2}) + "\n" for each in range(number)
    ).encode()


def _broken_ndjson() -> Iterator[Malformed]:
    for kind, line, status, says in (
        ("a line cut off", '{"price": 1, "roo', 400, "row 31"),
        ("a list for a line", "[1, 2, 3]", 400, "row 31"),
        ("a number for a line", "17", 400, "row 31"),
        ("commas between lines", '{"price": 1},', 400, "row 31"),
        ("a member twice", '{"price": 1, "price": 2}', 400, "row 31"),
        ("a text among numbers", '{"price": "much"}', 400, "row 31"),
        ("a number beyond float64", '{"price": 1e999}', 400, "row 31"),
        ("half of a character", '{"city": "\\ud800"}', 400, "row 31"),
        ("an infinite number", '{"price": 1, "area": Infinity}', 422, 'row 31 of column "area"'),
        ("lists in a column", '{"price": 1, "tags": [1]}', 422, "exclude=tags"),
        ("objects in a column", '{"price": 1, "at": {"x": 1}}', 422, "exclude=at"),
        ("objects a mile deep", '{"a":' * 100_000 + "1" + "}" * 100_000, 400, "row 31"),
        ("lists a mile deep", '{"a":' + "[" * 100_000 + "]" * 100_000 + "}", 400, "row 31"),
        ("a member without a name", '{"": 1}', 422, "has no name"),
        ("a number that is missing", '{"price": null}', 422, 'row 31 of column "price"'),
    ):
        yield Malformed(f"NDJSON: {kind}", ndjson(line), status, says)
    yield Malformed("NDJSON: no UTF-8", b'{"price": 1, "city": "\xff"}\n', 400, "UTF")
    yield Malformed("NDJSON: empty objects", b"{}\n{}\n", 422, "price")
    pretty = json.dumps({"price": [1, 2], "rooms": [3, 4]}, indent=2).encode()
    yield Malformed("NDJSON: an object of columns", pretty, 422, "exclude=price")


def _broken_arrow() -> Iterator[Malformed]:
    good, stream = parquet(), arrow()
    for kind, body, status, says in (
        ("Parquet cut off", good[:-100], 400, "cannot be read"),
        ("Parquet's magic alone", b"PAR1", 400, "cannot be read"),
        ("Parquet without a footer", b"PAR1" + b"\0" * 100 + b"PAR1", 400, "cannot be read"),
        ("Parquet with a huge footer", b"PAR1" + struct.pack("<I", 2**31) + b"PAR1", 400, ""),
        ("Parquet with damaged pages", _damaged(good, 8, 120), 400, "cannot be read"),
        ("Parquet in gzip", gzip.compress(good), 400, "as it was"),
        ("an Arrow stream cut off", stream[: len(stream) // 2], 400, "cannot be read"),
        ("an Arrow stream's beginning", stream[:6], 400, "cannot be read"),
        ("a damaged Arrow stream", _damaged(stream, 40, 200), 400, "cannot be read"),
        ("an Arrow stream of no rows", arrow({name: [] for name in COLUMNS}), 400, "no rows"),
        ("an Arrow file cut off", b"ARROW1\0\0" + stream[:300], 400, "cannot be read"),
        ("Parquet: lists", parquet(tags=[[1]] * 30), 422, "exclude=tags"),
        ("Parquet: objects", parquet(at=[{"x": 1}] * 30), 422, "exclude=at"),
        ("Parquet: bytes", parquet(raw=[b"\xff"] * 30), 422, "exclude=raw"),
        ("Parquet: days", parquet(day=[date(2024, 1, 2)] * 30), 422, "exclude=day"),
        ("Parquet: times", parquet(at=[datetime(2024, 1, 2)] * 30), 422, "exclude=at"),
        ("Parquet: hours", parquet(hour=[time(12)] * 30), 422, "exclude=hour"),
        ("Parquet: durations", parquet(took=[timedelta(1)] * 30), 422, "exclude=took"),
        ("Parquet: infinity", parquet(area=[math.inf] * 30), 422, 'row 1 of column "area"'),
        ("Parquet: no target", parquet(price=None), 422, 'no column "price"'),
        ("Parquet: missing targets", parquet(price=[1.0] * 29 + [None]), 422, "row 30"),
        ("Parquet: NaN for targets", parquet(price=[1.0] * 29 + [math.nan]), 422, "row 30"),
        ("Parquet: nothing", parquet(x=pa.nulls(30)), 422, "exclude=x"),
        ("Parquet: numbers as texts", parquet(price=[str(n) for n in range(30)]), 422, "classes"),
        ("Parquet: no UTF-8", parquet(city=_no_utf8()), 400, "cannot be read"),
        ("Arrow: no UTF-8", arrow({**COLUMNS, "city": _no_utf8()}), 400, "cannot be read"),
    ):
        yield Malformed(kind, body, status, says)


def _damaged(body: bytes, start: int, stop: int) -> bytes:
    return body[:start] + bytes(each ^ 0x5A for each in body[start:stop]) + body[stop:]


def _no_utf8() -> Any:
    raw = pa.array([b"\xff"] * 30)
    return pa.StringArray.from_buffers(30, *raw.buffers()[1:])
