"""`POST /predict` survives whatever is sent to it, in every content type."""

import gzip
import io
import json
import os
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from http.client import HTTPConnection
from random import Random, SystemRandom
from typing import Any

import numpy as np
import pyarrow

from service.predict import formats
from tests.conftest import Service

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
ODD_QUERIES = [
    *("model=cross", "model=dense&version=1", "model=cross&version=1.0", "version=1", "model"),
    *(
        "version=9e99",
        "model=%0a%1b[31m",
        "x=" + "y" * 3000,
        "%ff=%00",
        "&&=",
        "version=" + "1" * 5000,
    ),
]
ODD_HEADERS = [
    {"Accept": formats.NPY.media_type},
    {"Accept": formats.ARROW.media_type.upper() + ";q=0.1, */*"},
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
    table = pyarrow.Table.from_arrays([column] * len(names), names)
    options = pyarrow.ipc.IpcWriteOptions(compression=rng.choice([None, None, "lz4", "zstd"]))
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rng.choice([1, 100]))
    content: bytes = sink.getvalue().to_pybytes()
    return content


MAKERS: dict[str, Callable[[Random], bytes]] = {
    formats.JSON.media_type: json_body,
    formats.NPY.media_type: npy_body,
    formats.ARROW.media_type: arrow_body,
}


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
}


def mutated(rng: Random, content: bytes) -> bytes:
    """The body with some of its bytes changed, cut off, repeated, or taken from another one."""
    place = rng.randint(0, len(content))
    end = place + rng.choice([1, 4, 8, 64])
    noise = rng.randbytes(rng.choice([1, 1, 4, 8, 64]))
    other = rng.choice(list(MAKERS.values()))(rng)
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
        assert headers["content-type"] in MAKERS
        assert headers["x-model"] in ("dense", "cross")
    else:
        assert 400 <= status < 500
        assert headers["content-type"] == "application/problem+json"
        detail = json.loads(content)["detail"]
        assert 0 < len(detail) < 1000
        assert detail.isprintable()


def test_no_body_is_answered_with_a_fault(service: Service, trained: Any) -> None:
    sys.stdout.write(f"CROSSCHECK_TEST_SEED={SEED}\n")
    api = service.find("api")
    expected = service.predict([0.5, 0.25, 0.125], model="cross")
    rng = Random(SEED)  # noqa: S311
    seen: Counter[tuple[str, int]] = Counter()
    connection = HTTPConnection(service.client.base_url.host, service.client.base_url.port, 30)
    for _ in range(BODIES):
        media_type = rng.choice(list(MAKERS))
        content = MAKERS[media_type](rng)
        if rng.random() < 0.6:
            content = mutated(rng, content)
        if rng.random() < 0.002:
            content += b" " * 150_000  # a large body goes through a thread
        headers = {"Content-Type": media_type}
        if rng.random() < 0.1:
            headers["Content-Encoding"] = rng.choice(list(ENCODERS))
            content = ENCODERS[headers["Content-Encoding"]](content)
            if rng.random() < 0.5:
                content = mutated(rng, content)
        if rng.random() < 0.1:
            headers |= rng.choice(ODD_HEADERS)
        query = rng.choice(ODD_QUERIES) if rng.random() < 0.1 else ""
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
    assert service.predict([0.5, 0.25, 0.125], model="cross") == expected
    for media_type in MAKERS:
        for status in (200, 400, 422):
            assert seen[media_type, status] > BODIES / 1000, "the bodies are too much alike"
