import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from service.jobs import worker_state
from service.jobs.worker_state import FILE, SAID_BYTES, WorkerState, why_down


def release(state: WorkerState) -> None:
    """What the end of its process does."""
    os.close(state._descriptor)


def test_without_a_worker_it_is_said_how_to_start_one(tmp_path: Path) -> None:
    assert why_down(tmp_path) == "no worker has been started: `crosscheck worker` is one"


def test_a_worker_is_up_once_it_is_ready(tmp_path: Path) -> None:
    state = WorkerState(tmp_path)
    assert why_down(tmp_path) == "the worker local is starting"
    state.say("starting", "it waits")
    assert why_down(tmp_path) == "the worker local is starting: it waits"
    state.say("ready")
    assert why_down(tmp_path) is None
    state.say("stopped")
    assert why_down(tmp_path) == "the worker local was stopped"


def test_another_user_may_ask_what_a_worker_does(tmp_path: Path) -> None:
    umask = os.umask(0o022)
    WorkerState(tmp_path)
    os.umask(umask)
    assert (tmp_path / ".worker-local.lock").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("starting",), "died as it started"),
        (("ready",), "died"),
        (("failed", "no memory"), "cannot train: no memory"),
        (("stopped",), "was stopped"),
    ],
)
def test_a_worker_that_is_gone_is_down_for_its_last_reason(
    tmp_path: Path, words: tuple[worker_state.State], why: str
) -> None:
    state = WorkerState(tmp_path)
    state.say(*words)
    release(state)
    assert why_down(tmp_path) == f"the worker local {why}"


def test_a_worker_that_tries_again_is_down_for_the_reason_it_failed_for(tmp_path: Path) -> None:
    state = WorkerState(tmp_path)
    state.say("failed", "no memory")
    release(state)
    state = WorkerState(tmp_path)
    assert why_down(tmp_path) == "the worker local cannot train: no memory"
    state.say("ready")
    release(state)
    WorkerState(tmp_path)
    assert why_down(tmp_path) == "the worker local is starting"


def test_a_worker_that_is_killed_is_down(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from service.jobs.worker_state import WorkerState
WorkerState(Path({str(tmp_path)!r})).say("ready")
print("ready", flush=True)
input()
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        assert why_down(tmp_path) is None
        worker.kill()
    assert why_down(tmp_path) == "the worker local died"


@pytest.mark.parametrize("said", [b"", b"{", b"\xff" * 5000, b'{"state": "asleep"}', b"[]"])
def test_a_lock_that_says_nothing_sensible_does_no_harm(tmp_path: Path, said: bytes) -> None:
    (tmp_path / FILE).write_bytes(said)
    assert why_down(tmp_path) == "the worker local died as it started"
    WorkerState(tmp_path).say("ready")
    assert why_down(tmp_path) is None


def make_link(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [Path.mkdir, make_link, os.mkfifo])
def test_what_is_no_file_is_no_lock(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / FILE)
    assert "worker" in str(why_down(tmp_path))


@pytest.mark.parametrize("reason", ["\\" * 1000, "𝔞" * 1000, "\n\x00" * 1000, '"' * 1000])
def test_the_longest_reason_is_said_in_one_piece(tmp_path: Path, reason: str) -> None:
    state = WorkerState(tmp_path)
    state.say("failed", reason)
    assert (tmp_path / ".worker-local.lock").stat().st_size == SAID_BYTES
    assert str(why_down(tmp_path)).startswith("the worker local cannot train: ")


def test_a_second_worker_of_a_name_waits_and_leaves_the_state_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: queue.Queue[str] = queue.Queue()
    monkeypatch.setattr(worker_state, "LOCK_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(worker_state.logger, "info", lambda *said: told.put(said[0] % said[1:]))
    first = WorkerState(tmp_path)
    first.say("ready")
    second = threading.Thread(target=WorkerState, args=(tmp_path,), daemon=True)
    second.start()
    assert told.get(timeout=10) == "another worker local runs; this one stands by"
    assert why_down(tmp_path) is None
    release(first)
    second.join(10)
    assert why_down(tmp_path) == "the worker local is starting"
