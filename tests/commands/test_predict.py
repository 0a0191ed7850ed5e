import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.commands.rows import format_by_first_bytes
from tests.commands.conftest import Ask, ask_at, on_terminal
from tests.conftest import Service

TRIPLES = [[0.5, 0.5, 0.5], [0.1, 0.2, 0.3]]
NAMES = ("x0", "x1", "x2")
COLUMNS = {name: [row[place] for row in TRIPLES] for place, name in enumerate(NAMES)}


def in_csv() -> bytes:
    return "\n".join([",".join(NAMES), *(",".join(map(str, row)) for row in TRIPLES)]).encode()


def in_json() -> bytes:
    return json.dumps({"instances": TRIPLES}).encode()


def in_lines() -> bytes:
    rows = (json.dumps(dict(zip(NAMES, row, strict=True))) for row in TRIPLES)
    return "\n\n".join(rows).encode()


def in_npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array(TRIPLES))
    return file.getvalue()


def in_arrow() -> bytes:
    file = io.BytesIO()
    with pa.ipc.new_stream(file, pa.table(COLUMNS).schema) as stream:
        stream.write_table(pa.table(COLUMNS))
    return file.getvalue()


def in_parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(COLUMNS), file)
    return file.getvalue()


def of_csv(answer: bytes) -> list[float]:
    first, *values = answer.decode().splitlines()
    assert first == "predictions"
    return [float(value) for value in values]


def of_json(answer: bytes) -> list[float]:
    assert answer.endswith(b"}\n")
    found: list[float] = json.loads(answer)["predictions"]
    return found


def of_npy(answer: bytes) -> list[float]:
    found: list[float] = np.load(io.BytesIO(answer)).tolist()
    return found


def of_arrow(answer: bytes) -> list[float]:
    found: list[float] = pa.ipc.open_stream(answer).read_all().column(0).to_pylist()
    return found


def of_parquet(answer: bytes) -> list[float]:
    found: list[float] = pq.read_table(io.BytesIO(answer)).column(0).to_pylist()
    return found


FORMATS: list[tuple[str, str, Callable[[], bytes], Callable[[bytes], list[float]]]] = [
    ("csv", "csv", in_csv, of_csv),
    ("json", "json", in_json, of_json),
    ("json", "json", lambda: json.dumps(TRIPLES).encode(), of_json),
    ("jsonl", "ndjson", in_lines, of_json),
    ("npy", "npy", in_npy, of_npy),
    ("arrow", "arrow", in_arrow, of_arrow),
    ("PARQUET", "parquet", in_parquet, of_parquet),
]


@pytest.mark.parametrize(("suffix", "name", "rows", "read"), FORMATS)
def test_rows_are_predicted_and_answered_in_the_format_of_their_file(
    suffix: str,
    name: str,
    rows: Callable[[], bytes],
    read: Callable[[bytes], list[float]],
    ask: Ask,
    service: Service,
    trained: dict[str, Any],
    tmp_path: Path,
) -> None:
    wanted = service.predict(*TRIPLES, model="dense", version=1)["predictions"]
    file = tmp_path / f"rows.{suffix}"
    file.write_bytes(rows())
    chosen = ("--dataset", "triples", "--model", "dense", "--version", 1)
    for ended in (ask("predict", file, *chosen), ask("predict", *chosen, stdin=rows())):
        assert ended.returncode == 0, ended.stderr
        assert read(ended.stdout) == pytest.approx(wanted, rel=1e-6)
    assert format_by_first_bytes(rows()) == name


def test_the_answer_may_be_asked_for_in_another_format(ask: Ask, trained: dict[str, Any]) -> None:
    ended = ask("predict", "-", "--as", "npy", stdin=in_csv())
    assert len(of_npy(ended.stdout)) == len(TRIPLES)


def test_a_terminal_is_told_who_answered(
    service: Service, trained: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "rows.npy"
    file.write_bytes(in_npy())
    url = str(service.client.base_url)
    code, shown = on_terminal(url, "predict", file, "--model", "cross", "--version", 1)
    assert code == 0
    assert "predictions" in shown
    assert "by cross, version 1" in shown
    code, shown = on_terminal(url, "predict", file, "--as", "npy")
    assert code == 2
    assert "not for a terminal" in shown


def test_rows_that_are_refused_are_named(ask: Ask, trained: dict[str, Any]) -> None:
    ended = ask("predict", stdin=b"x0,x1,x2\n1,2,three\n")
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert ended.stderr.startswith(b"instances[0].x2: ")


@pytest.mark.parametrize(
    ("arguments", "stdin", "why"),
    [
        (["rows.txt"], b"", "--format"),
        (["-", "--format", "xlsx"], b"", "xlsx"),
        (["-", "--as", "xlsx"], b"[]", "xlsx"),
        (["-"], b'{"x0": 1}\n{"x0": NaN}\n', "line 2"),
        (["-", "--format", "json"], b'{"x0": 1}\n{"x0": 2}\n', "not JSON"),
    ],
)
def test_what_cannot_be_rows_is_2(arguments: list[str], stdin: bytes, why: str) -> None:
    ended = ask_at("http://127.0.0.1:0", "predict", *arguments, stdin=stdin)
    assert ended.returncode == 2
    assert why.encode() in ended.stderr
