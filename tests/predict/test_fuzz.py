"""`POST /predict` survives whatever is sent to it, in every content type."""

import gzip
import io
import json
import os
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from service.predict import formats
from tests.conftest import Service, running
from tests.predict.tables import NUMBERS, publish

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BODIES = int(os.environ.get("CROSSCHECK_TEST_BODIES", "6000"))
SEED = int(os.environ.get("CROSSCHECK_TEST_SEED", SystemRandom().randrange(2**32)))

ODD_VALUES = [
    *("1e999", "-1e308", "9" * 400, "1" * 5000, "NaN", "-Infinity", "0x1", "01", "null", "true"),
    *('"\\ud800"', '"\\u0000\\n"', '"' + "x" * 5000 + '"', "{}", "[]"),
]
ODD_KEYS = ['"model"', '"version"', '"x\\n\\u001b"', '"' + "é" * 999 + '"', "1"]
ODD_SHAPES = [b"(2000000000000, 3)", b"(-4, 3)", b"(" * 300, b"(4, 3.0)", b"[4, 3]", b"(4L, 3)"]
ODD_COLUMNS = [["x0", "x1"], [], ["x0", "x1", "x1"], ["x0", "x1", "x2", "\n\x1b" + "é" * 999]]
ODD_CELLS = ['"', '""', "NA", "1_0", " ", "inf", "\r", "\0", "é" * 99, "9" * 400, "a,b", "\ufeff"]
ODD_QUERIES = [
    *("model=cross", "model=dense&version=1", "model=cross&version=1.0", "version=1", "model"),
    *(
        "version=9e99",
        "model=%0a%1b[31m",
        "x=" + "y" * 3000,
        "%ff=%00",
        "&&=",
        "version=" + "1" * 5000,
        "dataset=triples",
        "dataset=nothing",
        "dataset=..%2f",
    ),
]
ODD_HEADERS = [
    {"Accept": formats.NPY.media_type},
    {"Accept": formats.ARROW.media_type.upper() + ";q=0.1, */*"},
    {"Accept": formats.CSV.media_type},
    {"Accept": formats.PARQUET.media_type},
    {"Accept": "text/html;;;=,,,\xff"},
    {"X-Request-Id": "a b" + "z" * 2000},
    {"Content-Encoding": "identity"},
    {"Content-Encoding": "br, \xff"},
    {"Expect": "nothing"},
    {"Cookie": "\xe9" * 500},
    {"Content-Type": "Application/JSON; charset=utf-7"},
    {"Content-Type": "text/plain"},
    {"Content-Type": "\xff\xfe"},
]


def json_body(rng: Random) -> bytes:
    rows: list[Any] = [[rng.random() for _ in range(3)] for _ in range(rng.randint(1, 4))]
    asked: dict[str, Any] = {"instances": rows}
    if rng.random() < 0.3:
        asked |= rng.choice([{"model": "cross"}, {"model": "dense", "version": 1}])
    text = json.dumps(asked)
    number = str(rng.choice(rng.choice(rows)))
    depth = rng.choice([2, 10, 500, 1000, 5000])
    changed = [
        text.replace(number, rng.choice(ODD_VALUES), 1),
        text.replace("[", "[" * depth, 1).replace("]", "]" * depth, 1),
        text.replace("{", f"{{{rng.choice(ODD_KEYS)}: {rng.choice(ODD_VALUES)}, ", 1),
        json.dumps({"instances": [row * rng.randrange(3) for row in rows]}),
    ]
    return rng.choice([*changed, text, text]).encode()


def npy_body(rng: Random) -> bytes:
    shape = rng.choice([(1, 3), (4, 3), (4, 3), (3,), (2, 2), (0, 3), (2, 3, 1), ()])
    kind = rng.choice(["<f4", "<f8", "<f8", ">f8", "<f2", "<i8", "?", "<c16", "U3", "V5"])
    array = np.zeros(shape, kind, rng.choice(["C", "F"]))
    file = io.BytesIO()
    np.lib.format.write_array(file, array, rng.choice([(1, 0), (2, 0)]))
    content = file.getvalue()
    if rng.random() < 0.2:
        content = content.replace(str(shape).encode(), rng.choice(ODD_SHAPES), 1)
    return content


def arrow_body(rng: Random) -> bytes:
    rows = rng.choice([0, 1, 4, 50])
    numbers = pyarrow.array(np.zeros(rows, rng.choice(["f4", "f8", "f8", "f2", "i4"])))
    others = [numbers.dictionary_encode(), pyarrow.array([[0.5]] * rows), pyarrow.nulls(rows)]
    column = rng.choice([numbers] * 6 + others)
    names = rng.choice([*ODD_COLUMNS, *[["x2", "x0", "x1"]] * 6])
    return stream(rng, pyarrow.Table.from_arrays([column] * len(names), names))


def stream(rng: Random, table: Any) -> bytes:
    options = pyarrow.ipc.IpcWriteOptions(compression=rng.choice([None, None, "lz4", "zstd"]))
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rng.choice([1, 100]))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def parquet_body(rng: Random) -> bytes:
    names = rng.choice([*ODD_COLUMNS, *[["x2", "x0", "x1"]] * 6])
    numbers = np.zeros(rng.choice([0, 1, 4, 50]), rng.choice(["f4", "f8", "f8", "i4"]))
    return parquet(rng, pyarrow.Table.from_arrays([pyarrow.array(numbers)] * len(names), names))


def parquet(rng: Random, table: Any) -> bytes:
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(
        table,
        sink,
        compression=rng.choice(["none", "snappy", "gzip", "brotli", "zstd", "lz4"]),
        data_page_version=rng.choice(["1.0", "2.0"]),
        use_dictionary=rng.random() < 0.5,
        row_group_size=rng.choice([2, 1000]),
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def csv_body(rng: Random) -> bytes:
    names = rng.choice([*ODD_COLUMNS, *[["x2", "x0", "x1"]] * 6])
    return csv_text(rng, [names, *[[rng.random() for _ in names]] * rng.randint(0, 3)])


def csv_text(rng: Random, rows: list[list[Any]]) -> bytes:
    cells = [["" if value is None else str(value) for value in row] for row in rows]
    if rng.random() < 0.3:
        row = rng.choice(cells)
        if row:
            row[rng.randrange(len(row))] = rng.choice(ODD_CELLS)
    separator, end = rng.choice([",", ",", ",", ";"]), rng.choice(["\n", "\r\n"])
    return end.join(map(separator.join, cells)).encode()


OF_TRIPLES: dict[str, Callable[[Random], bytes]] = {
    formats.JSON.media_type: json_body,
    formats.NPY.media_type: npy_body,
    formats.ARROW.media_type: arrow_body,
    formats.PARQUET.media_type: parquet_body,
    formats.CSV.media_type: csv_body,
}

ODD_NAMES = ["romms", "price", "sold", "x0", "", "c0", "é" * 300, "\n"]
VALUES: dict[str, list[Any]] = {
    "rooms": [3, 2.5, None, -1e308, 0],
    "new": [True, False, None, 1, 0],
    "city": ["Oslo", "", None, "x\0", "né😀", "w" * 3000],
    "zip": [7, "7", None, 4021, "07", 2**63],
}


def some_row(rng: Random) -> dict[str, Any]:
    names = rng.sample(list(VALUES), rng.randint(0, 4))
    return {name: rng.choice(VALUES[name]) for name in names}


def json_rows(rng: Random) -> bytes:
    rows: list[Any] = [some_row(rng) for _ in range(rng.randint(1, 4))]
    if rng.random() < 0.3:
        rows.append([rng.choice(values) for values in VALUES.values()])
    if rng.random() < 0.1:
        rows.append({rng.choice([*ODD_NAMES, *VALUES]): rng.choice([[], {}, "1", 1.5, True])})
    text = json.dumps({"dataset": "houses", "instances": rows}, ensure_ascii=rng.random() < 0.5)
    return text.replace("null", rng.choice([*["null"] * 6, *ODD_VALUES]), 1).encode()


def table_of(rng: Random) -> Any:
    rows = rng.choice([0, 1, 4, 50])
    kinds: dict[str, list[Any]] = {
        "rooms": [pyarrow.array(np.zeros(rows)), pyarrow.nulls(rows), pyarrow.array([1] * rows)],
        "new": [pyarrow.array([True] * rows), pyarrow.array([1.0] * rows)],
        "city": [
            pyarrow.array(["Oslo"] * rows, pyarrow.string()).dictionary_encode(),
            pyarrow.array(["Oslo"] * rows, pyarrow.large_string()),
            pyarrow.array([None] * rows, pyarrow.string_view()),
        ],
        "zip": [pyarrow.array([7] * rows, pyarrow.int8()), pyarrow.array(["7"] * rows)],
    }
    names = rng.sample(list(kinds), rng.randint(1, 4))
    columns = {name: rng.choice(kinds[name]) for name in names}
    if rng.random() < 0.1:
        columns[rng.choice([*ODD_NAMES, *kinds])] = rng.choice(
            [pyarrow.array([b"x"] * rows), pyarrow.array([[0.5]] * rows), columns[names[0]]]
        )
    return pyarrow.table(columns)


def csv_rows(rng: Random) -> bytes:
    names = rng.sample(list(VALUES), rng.randint(1, 4))
    if rng.random() < 0.1:
        names.append(rng.choice(ODD_NAMES))
    values = {**VALUES, **{name: ["1"] for name in ODD_NAMES}, "city": ["Oslo", "", '"a\n,b"']}
    rows = [[rng.choice(values[name]) for name in names] for _ in range(rng.randint(0, 4))]
    return csv_text(rng, [names, *rows])


def npy_rows(rng: Random) -> bytes:
    file = io.BytesIO()
    shape = rng.choice([(1, 2), (4, 2), (4, 2), (4, 3), (0, 2), (2,)])
    np.save(
        file, np.full(shape, rng.choice([np.nan, 0.5, np.inf]), rng.choice(["<f4", "<f8", "<f2"]))
    )
    return file.getvalue()


OF_TABLES: dict[str, Callable[[Random], bytes]] = {
    formats.JSON.media_type: json_rows,
    formats.NPY.media_type: npy_rows,
    formats.ARROW.media_type: lambda rng: stream(rng, table_of(rng)),
    formats.PARQUET.media_type: lambda rng: parquet(rng, table_of(rng)),
    formats.CSV.media_type: csv_rows,
}


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
}


def mutated(rng: Random, content: bytes, other: bytes) -> bytes:
    """The body with some of its bytes changed, cut off, repeated, or taken from another one."""
    place = rng.randint(0, len(content))
    end = place + rng.choice([1, 4, 8, 64])
    noise = rng.randbytes(rng.choice([1, 1, 4, 8, 64]))
    return rng.choice(
        [
            content[:place],
            content[place:],
            content[:place] + noise + content[place + len(noise) :],
            content[:place] + noise + content[place:],
            content[:place] + content[place:end] * rng.choice([0, 2, 100]) + content[end:],
            content[:place] + bytes([rng.choice([0, 0x7F, 0xFF])]) * 8 + content[place + 8 :],
            other[:place] + content[place:],
            noise * rng.choice([1, 10]),
        ]
    )


def check(status: int, headers: dict[str, str], content: bytes) -> None:
    """An answer is a prediction, or a refusal in a document of bounded length."""
    assert headers["x-request-id"]
    if status == 200:
        assert headers["content-type"] in OF_TRIPLES
        assert headers["x-model"] in ("dense", "cross")
    else:
        assert 400 <= status < 500
        assert headers["content-type"] == "application/problem+json"
        detail = json.loads(content)["detail"]
        assert 0 < len(detail) < 1000
        assert detail.isprintable()


def bombard(
    service: Service,
    makers: dict[str, Callable[[Random], bytes]],
    query_for: Callable[[str], str],
    bodies: int,
) -> None:
    """Sends bodies of all kinds, and looks whether all of them are answered as they should be."""
    sys.stdout.write(f"CROSSCHECK_TEST_SEED={SEED}\n")
    api = service.find("api")
    rng = Random(SEED)  # noqa: S311
    seen: Counter[tuple[str, int]] = Counter()
    connection = HTTPConnection(service.client.base_url.host, service.client.base_url.port, 30)
    for _ in range(bodies):
        media_type = rng.choice(list(makers))
        content = makers[media_type](rng)
        other = rng.choice(list(makers.values()))(rng)
        if rng.random() < 0.5:
            content = mutated(rng, content, other)
        if rng.random() < 0.002:
            content += b" " * 150_000  # a large body goes through a thread
        headers = {"Content-Type": media_type}
        if rng.random() < 0.1:
            headers["Content-Encoding"] = rng.choice(list(ENCODERS))
            content = ENCODERS[headers["Content-Encoding"]](content)
            if rng.random() < 0.5:
                content = mutated(rng, content, other)
        if rng.random() < 0.1:
            headers |= rng.choice(ODD_HEADERS)
        query = rng.choice(ODD_QUERIES) if rng.random() < 0.1 else query_for(media_type)
        connection.request("POST", f"/predict?{query}", content, headers)
        answer = connection.getresponse()
        received = answer.read()
        try:
            check(answer.status, {k.lower(): v for k, v in answer.getheaders()}, received)
        except BaseException:
            sys.stdout.write(f"{query!r} {headers} {content!r}\n{answer.status} {received!r}\n")
            raise
        seen[media_type, answer.status] += 1
    connection.close()
    sys.stdout.write("".join(f"{key}: {count}\n" for key, count in sorted(seen.items())))
    assert service.find("api") == api, "it died"
    for media_type in makers:
        for status in (200, 400, 422):
            assert seen[media_type, status] > bodies / 1000, "the bodies are too much alike"


def test_no_body_is_answered_with_a_fault(service: Service, trained: Any) -> None:
    expected = service.predict([0.5, 0.25, 0.125], model="cross")
    bombard(service, OF_TRIPLES, lambda _: "", BODIES)
    assert service.predict([0.5, 0.25, 0.125], model="cross") == expected


@pytest.fixture(scope="module")
def of_tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder: Path = tmp_path_factory.mktemp("tables")
    publish(folder / "artifacts")
    publish(folder / "artifacts", NUMBERS, "numbers")
    with running(folder, "--no-worker") as made:
        yield made


def test_no_rows_of_a_table_are_answered_with_a_fault(of_tables: Service) -> None:
    def query_for(media_type: str) -> str:
        if media_type == formats.JSON.media_type:
            return ""
        return f"dataset={'numbers' if media_type == formats.NPY.media_type else 'houses'}"

    body = {"dataset": "houses", "instances": [{"rooms": 3, "city": "Oslo"}]}
    expected = of_tables.client.post("/predict", json=body).json()
    bombard(of_tables, OF_TABLES, query_for, BODIES // 2)
    assert of_tables.client.post("/predict", json=body).json() == expected
