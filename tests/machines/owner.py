"""Somebody who owns a table in a fleet, has it trained on, deletes it and makes it anew."""

import hashlib
import time
from random import Random
from typing import Any

import httpx

from tests.faults.ledger import Ledger
from tests.faults.owner import TINY, Owner
from tests.machines.events import Deleted, Event
from tests.machines.fleet import Fleet
from tests.machines.people import NETWORK, ThroughBalancer

TABLE = "flats"

RENEWED_SHARE = 0.4
"""Of rounds, those in which the dataset is deleted: once, and it is there again at their end."""


class OwnerInFleet(ThroughBalancer, Owner):
    """Puts another revision, posts a job and deletes the dataset, in any order."""

    def __init__(self, fleet: Fleet, random: Random, ledger: Ledger, events: list[Event]) -> None:
        super().__init__(fleet.front, random, ledger, trains=True)
        self._events = events

    def _act(self) -> None:
        actions = [self._upload, self._train_on]
        if self._random.random() < RENEWED_SHARE:
            actions.append(self._renew)
        self._random.shuffle(actions)
        for act in actions:
            self._over.wait(self._random.uniform(0, 3))
            act(TABLE)

    def _insist(self, *question: Any, content: bytes = b"", **more: Any) -> httpx.Response:
        if content:
            self._ledger.begun.add(hashlib.sha256(content).hexdigest())
        return super()._insist(*question, content=content, **more)

    def _renew(self, name: str) -> None:
        self._events.append(Deleted(name, time.monotonic()))
        self._delete(name)
        self._upload(name)
        self._train_on(name)

    def _job_on(self, name: str) -> dict[str, Any]:
        promote = self._random.choice(["always", "if_better"])
        return small_job_on(name) | {"promote": promote}


def small_job_on(name: str) -> dict[str, Any]:
    """A job of a second."""
    return {"dataset": name, **TINY, "models": [NETWORK], "baselines": []}
