"""People who talk to the service while things go wrong, each in a thread of their own."""

import threading
import time
from abc import ABC, abstractmethod
from random import Random
from types import TracebackType
from typing import Any, Self

import httpx

from tests.conftest import WAIT_SECONDS, Service
from tests.faults.ledger import Job, Ledger

PAUSE_SECONDS = 0.05


class Person(ABC):
    """Somebody who is there while a block runs."""

    timeout_seconds = 40.0
    """For an answer."""

    def __init__(self, service: Service, random: Random) -> None:
        self.disorderly: list[str] = []
        """Answers that nobody should get, whatever goes wrong."""
        self._service = service
        self._random = random
        self._over = threading.Event()
        self._latest = 0.0
        self._thread = threading.Thread(target=self._live)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._latest = time.monotonic() + WAIT_SECONDS
        self._over.set()
        self._thread.join()

    def _live(self) -> None:
        with httpx.Client(timeout=self.timeout_seconds) as self._client:
            try:
                self._act()
            except Exception as error:
                self.disorderly.append(f"{type(error).__name__}: {error}")

    @abstractmethod
    def _act(self) -> None:
        """Does what this person does, until the block has ended."""

    def _is_too_late(self) -> bool:
        """Whether the block ended so long ago that nobody should have to wait any more."""
        return self._over.is_set() and time.monotonic() > self._latest

    def _pause(self) -> None:
        time.sleep(self._random.uniform(0, PAUSE_SECONDS))

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response | None:
        """The answer, or None if nobody gives one."""
        try:
            url = self._service.client.base_url.join(path)
            return self._client.request(method, url, **more)
        except httpx.TransportError:
            return None


class Trainer(Person):
    """Somebody who posts jobs and cancels some, and has the ledger keep what was promised."""

    def __init__(self, service: Service, random: Random, ledger: Ledger) -> None:
        super().__init__(service, random)
        self._ledger = ledger

    def _ask_orderly(self, method: str, path: str, **more: Any) -> httpx.Response | None:
        response = self._ask(method, path, **more)
        if response is not None and not _is_orderly(response):
            self.disorderly.append(told(response))
        return response

    def _post(self, key: str, config: dict[str, Any]) -> Job | None:
        """The job, once it is accepted; a key posts one job, however often it is used."""
        headers = {"Idempotency-Key": key}
        response = self._ask_orderly("POST", "/train", json=config, headers=headers)
        if response is None or response.status_code != 202:
            return None
        job: Job = response.json()
        self._ledger.accept(job)
        return job

    def _cancel(self, job_id: str) -> bool:
        """Whether there was an answer: the job is cancelled, or cannot be."""
        self._ledger.doomed.add(job_id)
        response = self._ask_orderly("POST", f"/jobs/{job_id}/cancel")
        if response is None or response.status_code == 503:
            return False
        if response.status_code == 200:
            if response.json()["status"] == "cancelled":
                self._ledger.cancelled.add(job_id)
            else:
                self.disorderly.append(told(response))
        return True


def told(response: httpx.Response) -> str:
    """An answer and its question, in a line."""
    asked = f"{response.request.method} {response.url.path}"
    return f"{asked}: {response.status_code} {response.text}"


def asks_to_come_again(response: httpx.Response) -> bool:
    """Whether the service says that it cannot at the moment, and when it may."""
    is_problem = "problem" in response.headers.get("Content-Type", "")
    return response.status_code == 503 and is_problem and "Retry-After" in response.headers


def _is_orderly(response: httpx.Response) -> bool:
    if response.url.path == "/readyz":
        return response.status_code in {200, 503}
    return asks_to_come_again(response) or response.status_code in {200, 202, 409}
