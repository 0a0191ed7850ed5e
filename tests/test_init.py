"""Commands that are told to stop at any moment, and the command as process 1 of a container."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.conftest import CROSSCHECK, arguments, gone, running

NAMESPACE = ["unshare", "--map-root-user", "--fork", "--pid", "--kill-child"]
"""Runs a command as process 1 of a namespace, where that is allowed."""

AS_PROCESS_1 = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: it is given what loses its parent
os.getpid = lambda real=os.getpid: setattr(os, "getpid", real) or 1
sys.argv.pop(0)
from service.init import main, _stay_behind
"""
"""Has the next question for the process id answered with 1."""

SUB_REAPER = f"{AS_PROCESS_1}main()"


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def process_1() -> list[str]:
    """What runs a command as process 1, or as near to that as this machine allows."""
    try:
        subprocess.run([*NAMESPACE, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return [sys.executable, "-c", SUB_REAPER]
    return NAMESPACE


class Worker:
    """A `crosscheck worker` with its artifacts in `folder`."""

    def __init__(self, folder: Path, launcher: list[str]) -> None:
        self.log = folder / "worker.log"
        environment = {**os.environ, "CROSSCHECK_ARTIFACTS_DIR": str(folder / "artifacts")}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*launcher, CROSSCHECK, "worker"], env=environment, stderr=log
            )

    def first(self) -> psutil.Process:
        """The first process of the command itself: below `unshare`, if that runs it."""
        process = psutil.Process(self.process.pid)
        if "unshare" in process.name():
            until(process.children)
            (process,) = process.children()
        until(lambda: "worker" in arguments(process) and "unshare" not in process.name())
        return process

    def below(self) -> list[psutil.Process]:
        """All processes that it has started."""
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found


@contextmanager
def worker(folder: Path, launcher: list[str]) -> Iterator[Worker]:
    started = Worker(folder, launcher)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            for process in [*started.below(), started.process]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            started.process.wait()


def preloads(started: Worker) -> bool:
    return any("forkserver" in " ".join(arguments(process)) for process in started.below())


def is_ready(started: Worker) -> bool:
    return "is ready" in started.log.read_text()


MOMENTS = pytest.mark.parametrize("moment", [preloads, is_ready])


@pytest.mark.slow
@MOMENTS
def test_a_worker_ends_at_any_moment_and_its_fork_server_with_it(
    tmp_path: Path, moment: Callable[[Worker], bool]
) -> None:
    with worker(tmp_path, []) as started:
        until(lambda: moment(started))
        below = started.below()
        started.process.terminate()
        assert started.process.wait(10) == 0
        until(lambda: all(map(gone, below)))


@pytest.mark.slow
@MOMENTS
def test_a_worker_that_is_process_1_ends_at_any_moment(
    tmp_path: Path, process_1: list[str], moment: Callable[[Worker], bool]
) -> None:
    with worker(tmp_path, process_1) as started:
        until(lambda: moment(started))
        below = started.below()
        started.first().send_signal(signal.SIGTERM)
        assert started.process.wait(10) == 0
        until(lambda: all(map(gone, below)))


@pytest.mark.slow
def test_a_worker_that_stands_by_ends_when_it_is_told_to(
    tmp_path: Path, process_1: list[str]
) -> None:
    with worker(tmp_path, []) as first:
        until(lambda: preloads(first))
        for launcher in ([], process_1):
            with worker(tmp_path, launcher) as second:
                until(lambda: "stands by" in second.log.read_text())
                second.first().send_signal(signal.SIGTERM)
                assert second.process.wait(10) == 0


def test_process_1_ends_as_soon_as_it_has_begun(tmp_path: Path, process_1: list[str]) -> None:
    with worker(tmp_path, process_1) as started:
        first = started.first()
        until(first.children)
        first.send_signal(signal.SIGTERM)
        # The command itself may not have come so far as to end in its own way.
        assert started.process.wait(10) in (0, 128 + signal.SIGTERM)


@pytest.mark.slow
def test_process_1_reaps_what_has_lost_its_parent(tmp_path: Path) -> None:
    with running(tmp_path, launcher=[sys.executable, "-c", SUB_REAPER]) as service:
        service.until(lambda: "is ready" in service.log.read_text())
        worker = service.find("worker")
        orphans = worker.children()
        worker.kill()
        service.until(lambda: not any(orphan.is_running() for orphan in orphans))
        assert service.stop() == 0


@pytest.mark.parametrize(
    ("ends", "status"), [("sys.exit(3)", 3), ("os.kill(os.getppid(), 15); signal.pause()", 143)]
)
def test_process_1_ends_as_the_command_does(ends: str, status: int) -> None:
    program = f"{AS_PROCESS_1}import signal; _stay_behind(); {ends}"
    command = [sys.executable, "-c", program, "worker"]
    assert subprocess.run(command, check=False, timeout=30).returncode == status


COUNTS = f"""
{AS_PROCESS_1}
import signal
_stay_behind()
signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGINT, signal.SIGTERM}})
print("begins", flush=True)
for _ in range(2):
    print(signal.sigwait({{signal.SIGINT, signal.SIGTERM}}).name, flush=True)
print(signal.sigpending())
"""


def test_ctrl_c_reaches_a_command_below_process_1_once() -> None:
    process, terminal = pty.fork()
    if process == 0:
        os.execv(sys.executable, [sys.executable, "-c", COUNTS])  # noqa: S606
    with open(terminal, "r+b", buffering=0) as screen:
        assert screen.readline().strip() == b"begins"
        screen.write(b"\x03")
        assert screen.readline().strip().endswith(b"SIGINT")
        os.kill(process, signal.SIGTERM)
        assert screen.readline().strip() == b"SIGTERM"
        assert screen.readline().strip() == b"set()"
    assert os.waitpid(process, 0)[1] == 0
