"""Somebody who posts and cancels jobs, promotes versions and looks around."""

import time
from random import Random
from typing import Any
from uuid import UUID

from models.config import COMPARED
from tests.conftest import SMALL, WITH_BASELINES, Service
from tests.faults.ledger import Ledger
from tests.faults.people import Trainer

KINDS: list[dict[str, Any]] = [
    WITH_BASELINES,
    {**SMALL, "models": ["cross"]},
    {"dataset": {"size": 20_000}, "epochs": 100},
]
"""Jobs of one and two seconds."""

PLACES = [
    *("/jobs", "/jobs?status=queued", "/readyz", "/metrics", "/models", "/models/triples/cross"),
    *("/datasets", "/datasets/houses", "/metrics?dataset=houses", "/models/houses/dense"),
]

CANCELLED_SHARE = 0.4


class Clients(Trainer):
    """Does all of this until all jobs are accepted and the block has ended.

    What is refused in an orderly way or not answered is asked for again: each job has an
    `Idempotency-Key`.
    """

    def __init__(self, service: Service, random: Random, ledger: Ledger, jobs: int) -> None:
        super().__init__(service, random, ledger)
        self._to_cancel: dict[str, float] = {}
        self._orders = [
            (new_key(random), {**random.choice(KINDS), "seed": random.randrange(10**6)})
            for _ in range(jobs)
        ]

    def _act(self) -> None:
        while self._orders or not self._over.is_set():
            self._do_something()
            if self._is_too_late():
                self.disorderly.append(f"{len(self._orders)} jobs were never accepted")
                return
            self._pause()

    def _do_something(self) -> None:
        action = self._random.random()
        due = [job_id for job_id in self._to_cancel if self._is_due(job_id)]
        if due:
            if self._cancel(due[0]):
                del self._to_cancel[due[0]]
        elif self._orders and action < 0.5:
            self._post_next()
        elif action < 0.7:
            name = self._random.choice(COMPARED)
            self._ask_orderly("PUT", f"/models/triples/{name}/serving", json={"version": 1})
        else:
            self._ask_orderly("GET", self._random.choice(PLACES))

    def _post_next(self) -> None:
        if job := self._post(*self._orders[0]):
            self._orders.pop(0)
            if self._random.random() < CANCELLED_SHARE:
                patience = self._random.choice([self._random.uniform(0, 3), 10])
                self._to_cancel[job["id"]] = time.monotonic() + patience

    def _is_due(self, job_id: str) -> bool:
        """At any moment, or as soon as the job is about to publish."""
        staged = (self._service.artifacts / ".staging" / job_id).glob("*/cross/assets.extra")
        return any(staged) or time.monotonic() > self._to_cancel[job_id]


def new_key(random: Random) -> str:
    """An `Idempotency-Key`."""
    return str(UUID(int=random.getrandbits(128), version=4))
