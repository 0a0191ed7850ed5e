"""Somebody who owns a table in a fleet, has it trained on, deletes it and makes it anew."""

import time
from random import Random
from typing import Any

import httpx

from tests.faults.ledger import Ledger
from tests.faults.owner import TINY, Owner
from tests.machines.events import Deleted, Event
from tests.machines.fleet import Fleet, Front
from tests.machines.people import NETWORK, ThroughBalancer

TABLE = "flats"

RENEWED_SHARE = 0.4
"""Of rounds, those in which the dataset is deleted: once, and it is there again at their end."""


class OwnerInFleet(ThroughBalancer, Owner):
    """Puts another revision, posts a job and deletes the dataset, in any order."""

    def __init__(self, fleet: Fleet, random: Random, ledger: Ledger, events: list[Event]) -> None:
        super().__init__(fleet.front, random, ledger, trains=True)
        self._fleet = fleet
        self._events = events

    def _act(self) -> None:
        actions = [self._upload, self._train_on]
        if self._random.random() < RENEWED_SHARE:
            actions.append(self._renew)
        self._random.shuffle(actions)
        for act in actions:
            self._over.wait(self._random.uniform(0, 3))
            act(TABLE)

    def _renew(self, name: str) -> None:
        self._events.append(Deleted(name, time.monotonic()))
        self._delete(name)
        self._upload(name)
        # Until then a job would be refused, or be one on the table of before.
        while not all(map(self._knows_of_it, self._fleet.doors)):
            self._pause_or_give_up(f"an API never knew of {name}")
        self._train_on(name)

    def _knows_of_it(self, door: Front) -> bool:
        """Whether an API knows of the last revision, or cannot be asked."""
        name, _, sha256 = self._ledger.revisions[-1]
        try:
            answer = door.client.get(f"/datasets/{name}", timeout=3)
        except httpx.TransportError:
            return True
        known = answer.status_code == 200 and answer.json()["upload"]["sha256"] == sha256
        return known or not door.is_ready()

    def _job_on(self, name: str) -> dict[str, Any]:
        promote = self._random.choice(["always", "if_better"])
        return small_job_on(name) | {"promote": promote}


def small_job_on(name: str) -> dict[str, Any]:
    """A job of a second."""
    return {"dataset": name, **TINY, "models": [NETWORK], "baselines": []}
