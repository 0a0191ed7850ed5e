"""A machine that runs one command of ours, or somebody else's."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.machines.network import Host

_said_ready = re.compile(r"worker ([0-9a-f]{12}) is ready")


class Machine:
    """A command in a host, with a folder of its own."""

    def __init__(
        self, host: Host, folder: Path, command: Sequence[str], environment: dict[str, str]
    ) -> None:
        self.host = host
        self.folder = folder
        self.artifacts = folder / "artifacts"
        self.log = folder / "log"
        self._command = command
        self._environment = {"CROSSCHECK_ARTIFACTS_DIR": str(self.artifacts), **environment}
        folder.mkdir()
        self.start()

    def start(self) -> None:
        """Starts it; it takes a while until it is of use."""
        with self.log.open("a") as log:
            self._began = log.tell()
            self._process = subprocess.Popen(
                [*self.host.inside, *self._command],
                env={**os.environ, **self._environment},
                stdout=log,
                stderr=log,
            )

    def start_if_dead(self) -> None:
        """As systemd and others do."""
        if self._process.poll() is not None:
            self.start()

    def kill(self) -> None:
        """SIGKILL for every process of it, as a power cut would."""
        for process in self._everybody():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """SIGSTOP for every process of it for a while, as a machine that hangs."""
        everybody = self._everybody()
        for process in everybody:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in everybody:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)

    def worker(self) -> str:
        """The name of the worker that runs there, since it is ready; else nothing."""
        if self._process.poll() is not None:
            return ""
        with self.log.open() as log:
            log.seek(self._began)
            names: list[str] = _said_ready.findall(log.read())
        return names[-1] if names else ""

    def _everybody(self) -> list[psutil.Process]:
        try:
            first = psutil.Process(self._process.pid)
            return [*first.children(recursive=True), first]
        except psutil.NoSuchProcess:
            return []


@contextmanager
def running(
    host: Host, folder: Path, command: Sequence[str], environment: dict[str, str]
) -> Iterator[Machine]:
    """A machine that runs a command; every process of it is gone afterwards."""
    machine = Machine(host, folder, command, environment)
    try:
        yield machine
    finally:
        machine.kill()
