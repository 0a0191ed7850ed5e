"""People who post and cancel jobs, promote versions and look around while things go wrong."""

import threading
import time
from random import Random
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import httpx

from models.config import MODEL_NAMES
from tests.conftest import SMALL, WAIT_SECONDS, Service

KINDS: list[dict[str, Any]] = [
    SMALL,
    {**SMALL, "models": ["cross"]},
    {"dataset": {"size": 20_000}, "epochs": 100},
]
"""Jobs of one and two seconds."""

PLACES = ["/jobs", "/jobs?status=queued", "/readyz", "/metrics", "/models", "/models/triples/cross"]

PAUSE_SECONDS = 0.05

CANCELLED_SHARE = 0.4


class Clients:
    """A thread that does all of this until all jobs are accepted and the block has ended.

    What is refused in an orderly way or not answered is asked for again: each job has an
    `Idempotency-Key`.
    """

    def __init__(self, service: Service, random: Random, jobs: int) -> None:
        self.accepted: dict[str, list[str]] = {}
        """The jobs and the models that each is to train."""
        self.doomed: set[str] = set()
        """Those that somebody tried to cancel, if only once."""
        self.cancelled: set[str] = set()
        """Those of them that the service called cancelled."""
        self.disorderly: list[str] = []
        """Answers that nobody should get, whatever goes wrong."""
        self._to_cancel: dict[str, float] = {}
        self._service = service
        self._random = random
        self._orders = [
            (
                str(UUID(int=random.getrandbits(128), version=4)),
                {**random.choice(KINDS), "seed": random.randrange(10**6)},
            )
            for _ in range(jobs)
        ]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_going)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _keep_going(self) -> None:
        deadline = None
        with httpx.Client(timeout=40) as client:
            while self._orders or not self._over.is_set():
                self._do_something(client)
                if self._over.is_set():
                    deadline = deadline or time.monotonic() + WAIT_SECONDS
                    if time.monotonic() > deadline:
                        self.disorderly.append(f"{len(self._orders)} jobs were never accepted")
                        return
                time.sleep(self._random.uniform(0, PAUSE_SECONDS))

    def _do_something(self, client: httpx.Client) -> None:
        action = self._random.random()
        due = [job_id for job_id in self._to_cancel if self._is_due(job_id)]
        if due:
            self._cancel(client, due[0])
        elif self._orders and action < 0.5:
            self._post(client)
        elif action < 0.7:
            name = self._random.choice(MODEL_NAMES)
            self._ask(client, "PUT", f"/models/triples/{name}/serving", json={"version": 1})
        else:
            self._ask(client, "GET", self._random.choice(PLACES))

    def _post(self, client: httpx.Client) -> None:
        key, config = self._orders[0]
        response = self._ask(
            client, "POST", "/train", json=config, headers={"Idempotency-Key": key}
        )
        if response is not None and response.status_code == 202:
            self._orders.pop(0)
            job = response.json()
            self.accepted[job["id"]] = job["config"]["models"]
            if self._random.random() < CANCELLED_SHARE:
                patience = self._random.choice([self._random.uniform(0, 3), 10])
                self._to_cancel[job["id"]] = time.monotonic() + patience

    def _is_due(self, job_id: str) -> bool:
        """At any moment, or as soon as the job is about to publish."""
        staged = self._service.artifacts / ".staging" / job_id / "cross" / "assets.extra"
        return staged.exists() or time.monotonic() > self._to_cancel[job_id]

    def _cancel(self, client: httpx.Client, job_id: str) -> None:
        self.doomed.add(job_id)
        response = self._ask(client, "POST", f"/jobs/{job_id}/cancel")
        if response is None or response.status_code == 503:
            return  # and again
        del self._to_cancel[job_id]
        if response.status_code == 200:
            if response.json()["status"] == "cancelled":
                self.cancelled.add(job_id)
            else:
                self.disorderly.append(f"POST /jobs/{job_id}/cancel: {response.text}")

    def _ask(
        self, client: httpx.Client, method: str, path: str, **more: Any
    ) -> httpx.Response | None:
        try:
            response = client.request(method, self._service.client.base_url.join(path), **more)
        except httpx.TransportError:
            return None
        if not _is_orderly(response):
            self.disorderly.append(f"{method} {path}: {response.status_code} {response.text}")
        return response


def _is_orderly(response: httpx.Response) -> bool:
    if response.url.path == "/readyz":
        return response.status_code in {200, 503}
    if response.status_code == 503:
        return "Retry-After" in response.headers and "problem" in response.headers["Content-Type"]
    return response.status_code in {200, 202, 409}
