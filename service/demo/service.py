"""The service that the demo asks: one that runs, or one that is started for it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from service.demo.calls import console, fail
from service.settings import Settings, is_loopback

START_SECONDS = 30.0


Steps = Callable[[httpx.Client], None]
"""What the demo does with a service."""


def run(url: str | None, api_key: str | None, settings: Settings, steps: Steps) -> None:
    """Takes the steps with the service at `url`, or one started for it, which asks for no key."""
    if url is None:
        with started(settings) as own:
            _take(steps, own, {})
        return
    try:
        _take(steps, url.rstrip("/"), {"X-API-Key": api_key} if api_key else {})
    # The last two: of a proxy that the environment names, and that httpx does not take.
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, ImportError) as error:
        fail(f"'{url}' cannot be asked: {error}")


def _take(steps: Steps, url: str, headers: dict[str, str]) -> None:
    # No proxy can reach this machine under the names by which it calls itself.
    proxied = not is_loopback(httpx.URL(url).host)
    with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=proxied) as client:
        steps(client)


@contextmanager
def started(settings: Settings) -> Iterator[str]:
    """Runs `crosscheck serve` on a free port while the context is open."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = settings.artifacts_dir / "demo.log"
    command = [sys.executable, "-m", "service", "serve", "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    console.print(f"Starting a service on {url}; its log is {log}", soft_wrap=True)
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
    fail("The service did not start; its log says why.")
