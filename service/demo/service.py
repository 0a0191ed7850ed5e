"""The service that the demo asks: one that runs, or one that is started for it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx

from service.client import Client, Failed
from service.commands.asking import failures_end_it, service_at
from service.commands.output import out
from service.settings import Settings

START_SECONDS = 30.0


Steps = Callable[[Client], None]
"""What the demo does with a service."""


def run(url: str | None, settings: Settings, steps: Steps) -> None:
    """Takes the steps with the service at `url`, or one started for it, which asks for no key."""
    with failures_end_it(), ExitStack() as stack:
        at = stack.enter_context(started(settings)) if url is None else url
        steps(stack.enter_context(service_at(at)))


@contextmanager
def started(settings: Settings) -> Iterator[str]:
    """Runs `crosscheck serve` on a free port while the context is open."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = settings.artifacts_dir / "demo.log"
    command = [sys.executable, "-m", "service", "serve", "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    out.print(f"Starting a service on {url}; its log is {log}", soft_wrap=True)
    with log.open("w") as file:
        environment = {**os.environ, "CROSSCHECK_API_KEYS": ""}
        service = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        try:
            _wait_for(url, service)
            yield url
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait()


def _wait_for(url: str, service: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and service.poll() is None:
        try:
            httpx.get(f"{url}/livez", timeout=1, trust_env=False)
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise Failed("The service did not start; its log says why.")
