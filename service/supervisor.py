"""`crosscheck serve`: keeps the API processes and the worker running, and ends them with it."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from service.settings import Settings
from service.telemetry import slots

logger = logging.getLogger(__name__)

STOP_SECONDS = 4.0
"""How long processes may take to stop, once they have drained, before they are killed."""

BACK_OFF_SECONDS = (0.1, 0.5, 1, 2, 5, 10, 30)
"""How long to wait before the first, second, … restart of a process that keeps on dying."""

ONE_HEAP = {"MALLOC_ARENA_MAX": "1"}
"""For glibc, which else gives each thread a heap of its own, and little of it back."""

STEADY_SECONDS = 60.0
"""A process that ran for so long is not one that keeps on dying; a worker imports for ten."""


@dataclass
class Supervised:
    """A process that is started again when it ends."""

    arguments: list[str]
    defaults: Mapping[str, str]
    """Environment variables, where nobody has set them."""
    pass_fds: tuple[int, ...] = ()
    deaths: int = 0
    start_at: float = 0.0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def keep_running(self) -> None:
        """Starts the process if it does not run and its time has come."""
        now = time.monotonic()
        if self.process is not None and (code := self.process.poll()) is not None:
            if now - self.start_at > STEADY_SECONDS:
                self.deaths = 0
            delay = BACK_OFF_SECONDS[min(self.deaths, len(BACK_OFF_SECONDS) - 1)]
            logger.error("%s ended with %d; again in %g s", self.arguments[0], code, delay)
            self.deaths += 1
            self.start_at = now + delay
            self.process = None
        if self.process is None and now >= self.start_at:
            self.start_at = now
            # The process ends by itself when its standard input closes, that is when this process
            # dies, however it dies. A session of its own keeps Ctrl-C for this process alone.
            try:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "service", *self.arguments, "--supervised"],
                    stdin=subprocess.PIPE,
                    env={**self.defaults, **os.environ},
                    pass_fds=self.pass_fds,
                    start_new_session=True,
                )
            except OSError as error:  # no memory, or too many processes
                logger.error("cannot start %s: %s", self.arguments[0], error)
                self.start_at = now + BACK_OFF_SECONDS[-1] / 10

    def stop(self, deadline: float) -> None:
        """Waits for the process, which was told to stop, and kills it when its time is up."""
        if self.process is not None:
            try:
                self.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def bind(settings: Settings) -> socket.socket:
    """Takes the port. Raises OSError if that is not possible."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((settings.host, settings.port))
    listener.listen(2048)
    return listener


def supervise(listener: socket.socket, settings: Settings, workers: int) -> None:
    """Runs `workers` API processes on `listener` until SIGTERM or Ctrl-C; and a worker, if set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    descriptor = listener.fileno()
    all_slots = [slots.make() for _ in range(workers)]
    given = (descriptor, *all_slots)
    arguments = ["api", "--fd", str(descriptor), "--host", settings.host]
    arguments += [option for slot in all_slots for option in ("--slots", str(slot))]
    processes = [
        Supervised([*arguments, "--slot", str(slot)], ONE_HEAP, given) for slot in all_slots
    ]
    if settings.worker:
        processes.append(Supervised(["worker"], {}))
    while not stop.wait(0.1):
        for process in processes:
            process.keep_running()
    deadline = time.monotonic() + settings.drain_seconds + STOP_SECONDS
    for process in processes:
        if process.process is not None:
            process.process.terminate()
    for process in processes:
        process.stop(deadline)


def end_with_supervisor() -> None:
    """Ends this process when its standard input closes, which its supervisor holds open."""

    def wait() -> None:
        os.read(sys.stdin.fileno(), 1)  # `sys.stdin` would hold a lock that an exit needs
        logger.error("the supervisor is gone")
        # At once: whatever is under way is safe on the disk or was not promised to anybody.
        signal.raise_signal(signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()
