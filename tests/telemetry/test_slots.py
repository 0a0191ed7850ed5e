"""Memory that outlives the process that writes to it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.telemetry import slots
from service.telemetry.slots import HALF_BYTES, Writer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def slot() -> Iterator[int]:
    descriptor = slots.make()
    yield descriptor
    os.close(descriptor)


def test_a_slot_is_empty_at_first_and_holds_what_was_written_last(slot: int) -> None:
    assert slots.read(slot) == b""
    writer = Writer(slot)
    for content in (b"first", b"second, which is longer", b"third"):
        writer.write(content)
        assert slots.read(slot) == content


def test_the_next_writer_finds_what_the_one_before_has_left(slot: int) -> None:
    Writer(slot).write(b"before")
    writer = Writer(slot)
    assert writer.found == b"before"
    writer.write(b"after")
    assert slots.read(slot) == b"after"


@pytest.mark.parametrize("cut", [0, 5, 24, 30])
def test_what_was_cut_short_does_not_count(slot: int, cut: int) -> None:
    writer = Writer(slot)
    writer.write(b"whole")
    writer.write(b"the one that is cut short")
    second = 0  # it went to the first half
    os.pwrite(slot, b"\xff" * 8, second + cut)
    assert slots.read(slot) == b"whole"
    Writer(slot).write(b"next")
    assert slots.read(slot) == b"next"


def test_what_is_too_much_leaves_what_was_there(slot: int) -> None:
    writer = Writer(slot)
    writer.write(b"small")
    with pytest.raises(OSError, match="do not fit"):
        writer.write(b"x" * HALF_BYTES)
    assert slots.read(slot) == b"small"
    writer.write(b"small again")
    assert slots.read(slot) == b"small again"


def test_where_memory_is_short_what_was_there_stays(
    slot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(slot)
    writer.write(b"before")
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda *_: 3)
        for _ in range(2):
            with pytest.raises(OSError, match="short"):
                writer.write(b"after")
    assert slots.read(slot) == b"before"


def test_readers_see_what_is_whole_while_somebody_writes(slot: int) -> None:
    done = threading.Event()

    def keep_writing() -> None:
        writer = Writer(slot)
        for number in range(2000):
            writer.write(b"%d " % number * 500)
        done.set()

    thread = threading.Thread(target=keep_writing)
    thread.start()
    latest = -1
    while not done.is_set():
        if words := slots.read(slot).split():
            assert len(words) == 500
            assert len(set(words)) == 1
            assert int(words[0]) >= latest
            latest = int(words[0])
    thread.join()
    assert slots.read(slot).split()[0] == b"1999"


def test_it_outlives_a_process_that_is_killed_as_it_writes(slot: int) -> None:
    program = f"""
from service.telemetry.slots import Writer
writer, number = Writer({slot}), 0
while True:
    number += 1
    writer.write(b"%d " % number * 100_000)
    print(number, flush=True)
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=ROOT, pass_fds=(slot,), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        told = 0
        for _ in range(3):
            told = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    words = slots.read(slot).split()
    assert int(words[0]) >= told
    assert words.count(words[0]) == 100_000


def test_without_memfd_it_is_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    descriptor = slots.make()
    Writer(descriptor).write(b"content")
    assert slots.read(descriptor) == b"content"
    assert list(tmp_path.iterdir()) == []
    os.close(descriptor)
