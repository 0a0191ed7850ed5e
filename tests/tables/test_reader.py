"""The process: what it says, what it may take, and when it ends."""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet
import pytest

from models.schema import Column, TableSchema
from service.tables.contents import Contents
from service.tables.options import Bounds
from tests.conftest import WAIT_SECONDS, peak_memory
from tests.tables.tables import BOUNDS, csv

COMMAND = [sys.executable, "-m", "service.tables.reader"]
ROW = "1.5,2.25,3.125,Oslo\n"


@contextmanager
def reader(folder: Path, bounds: Bounds = BOUNDS, **task: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The process at its task, reading `folder/upload`."""
    asked = {
        "upload": str(folder / "upload"),
        "folder": str(folder),
        "options": {"target": "y"},
        "bounds": bounds.model_dump(),
        **task,
    }
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(asked).encode() + b"\n")
            process.stdin.flush()
            yield process
        finally:
            process.kill()


def answer(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readlines()[-1])


def test_it_tells_of_the_table_and_ends_by_itself(tmp_path: Path) -> None:
    (tmp_path / "upload").write_text(csv(y=[1, 2, 3], a=["u", "v", "u"]))
    with reader(tmp_path) as process:
        contents = Contents.model_validate(answer(process)["table"])
        assert process.wait(WAIT_SECONDS) == 0
    assert contents.rows == 3
    assert contents.table_schema.features == (Column(name="a", type="text"),)
    assert pyarrow.parquet.read_table(tmp_path / "data.parquet").num_rows == 3


def test_it_tells_why_it_refuses(tmp_path: Path) -> None:
    (tmp_path / "upload").write_text("y,a\n1,2\n3\n")
    with reader(tmp_path) as process:
        refused = answer(process)
        assert process.wait(WAIT_SECONDS) == 0
    assert refused["status"] == 400
    assert refused["refused"].startswith("row 2 has 1 values")


def test_it_compares_with_the_other_revisions(tmp_path: Path) -> None:
    (tmp_path / "upload").write_text(csv(y=[1, 2, 3], a=["u", "v", "u"]))
    features = (Column(name="b", type="text"),)
    expected = TableSchema(features=features, target="y", task="regression")
    with reader(tmp_path, expected=expected.model_dump()) as process:
        assert answer(process)["status"] == 409


def test_it_tells_how_far_it_is(tmp_path: Path) -> None:
    (tmp_path / "upload").write_text("y,a,b,c\n" + ROW * 500_000)
    with reader(tmp_path) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["rows"] > 0


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "upload").write_text("y,a,b,c\n" + ROW * 2_000_000)
    with reader(tmp_path, BOUNDS.model_copy(update={"max_rows": 10**7})) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()  # it is at work
        process.stdin.close()
        assert process.wait(WAIT_SECONDS) == 1


def test_its_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    rows = ["{0},{1},u{2},{0}".format(row / 7, row % 1000, row % 900) for row in range(2000)]
    block = "\n".join(rows) + "\n"
    with (tmp_path / "upload").open("w") as file:
        file.write("y,a,b,c\n")
        for _ in range(1000):
            file.write(block)
    with reader(tmp_path, BOUNDS.model_copy(update={"max_rows": 10**7})) as process:
        peak = 0
        assert process.stdout is not None
        for line in process.stdout:
            if "rows" in json.loads(line):
                peak = max(peak, peak_memory(psutil.Process(process.pid)))
    assert 0 < peak < 300 * 2**20


def test_a_file_that_needs_more_memory_is_refused(tmp_path: Path) -> None:
    words = pa.DictionaryArray.from_arrays(pa.array([0] * 10_000, pa.int32()), ["A" * 100_000])
    table = pa.table({"y": range(10_000), "a": words})
    pyarrow.parquet.write_table(table, tmp_path / "upload", compression="zstd")
    bounds = {"max_bytes": 2**34, "memory_bytes": 2**28}
    with reader(tmp_path, BOUNDS.model_copy(update=bounds)) as process:
        refused = answer(process)
    assert refused["status"] == 413
    assert "memory" in refused["refused"]


def test_a_disk_that_takes_no_more_is_not_the_fault_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "upload").write_text(csv(y=range(1000), a=range(1000)))
    (tmp_path / "data.parquet").symlink_to("/dev/full")
    with reader(tmp_path) as process:
        refused = answer(process)
    assert refused == {"refused": "the disk cannot be used: No space left on device", "status": 503}


def test_it_leaves_no_core(tmp_path: Path) -> None:
    (tmp_path / "upload").write_text("y,a,b,c\n" + ROW * 500_000)
    with reader(tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert psutil.Process(process.pid).rlimit(resource.RLIMIT_CORE)[0] == 0


@pytest.mark.parametrize("task", ["", "{}", "not JSON"])
def test_a_task_that_makes_no_sense_is_a_fault_of_ours(task: str) -> None:
    result = subprocess.run(COMMAND, input=task + "\n", capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stdout == ""
