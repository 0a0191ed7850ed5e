"""What is made of what the reading process says, or of how it ends."""

import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest

from service.errors import BadRequest, Conflict, CrosscheckError, Invalid, TooLarge, Unavailable
from service.tables import process
from service.tables.contents import Contents
from service.tables.options import Bounds, Options
from tests.tables import stand_in

pytestmark = pytest.mark.anyio

BOUNDS = Bounds(
    max_bytes=1000, max_rows=1000, max_columns=1000, max_distinct=1000, memory_bytes=2**30
)


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "READER", stand_in.SCRIPT)


async def read(folder: Path, told: str, seconds: float = 30) -> Contents:
    upload = folder / "upload"
    upload.write_text(told)
    return await process.read(upload, folder, Options(target="price"), BOUNDS, None, seconds)


async def test_a_table_is_told_of(tmp_path: Path) -> None:
    contents = await read(tmp_path, "rooms")
    assert [column.name for column in contents.table_schema.features] == ["rooms"]
    assert (tmp_path / "data.parquet").exists()


@pytest.mark.parametrize("refusal", [BadRequest, Conflict, TooLarge, Invalid, Unavailable])
async def test_a_refusal_is_passed_on(tmp_path: Path, refusal: type[CrosscheckError]) -> None:
    with pytest.raises(refusal, match="as it was told") as refused:
        await read(tmp_path, f"refuse {refusal.status}")
    assert ("Retry-After" in refused.value.headers) is (refusal is Unavailable)


@pytest.mark.parametrize(
    ("told", "end"),
    [
        ("die SIGSEGV", "SIGSEGV"),
        ("die SIGKILL", "SIGKILL"),
        ("exit 3", "status 3"),
        ("stop", "status 0"),
    ],
)
async def test_a_file_that_ends_its_reader_is_refused(tmp_path: Path, told: str, end: str) -> None:
    with pytest.raises(Invalid, match=f"it made the reading process end .*{end}"):
        await read(tmp_path, told)


async def test_a_reader_that_ends_before_it_is_told_anything_is_one_that_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(what: int, reader: int, niceness: int) -> None:
        os.kill(reader, signal.SIGKILL)

    def closed(stream: asyncio.StreamWriter, task: bytes) -> None:
        raise RuntimeError("the handler is closed")  # as uvloop does, if it was quick

    monkeypatch.setattr(os, "setpriority", kill)
    monkeypatch.setattr(asyncio.StreamWriter, "write", closed)
    with pytest.raises(Invalid, match="SIGKILL"):
        await read(tmp_path, "rooms")


async def test_a_file_that_takes_too_long_is_refused_and_its_reader_gone(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"could not be read within 1 s"):
        await read(tmp_path, "sleep", seconds=1)
    assert not psutil.pid_exists(stand_in.wait_for_sleeper(tmp_path))


async def test_a_reading_that_is_given_up_leaves_no_process(tmp_path: Path) -> None:
    reading = asyncio.create_task(read(tmp_path, "sleep"))
    reader = await asyncio.to_thread(stand_in.wait_for_sleeper, tmp_path)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert not psutil.pid_exists(reader)


async def test_where_no_process_can_be_started_it_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.tables.process.sys.executable", "/nowhere")
    with pytest.raises(Unavailable, match="no process can be started") as refused:
        await read(tmp_path, "rooms")
    assert "Retry-After" in refused.value.headers
