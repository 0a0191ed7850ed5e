"""People who talk to a fleet through its balancer, each in a thread of their own."""

import time
from random import Random
from typing import Any

import httpx
import psycopg

from models.schema import TRIPLES
from tests.conftest import WITH_BASELINES
from tests.faults.clients import CANCELLED_SHARE, new_key
from tests.faults.ledger import INSTANCES, Ledger
from tests.faults.owner import KEPT
from tests.faults.people import Person, Trainer
from tests.machines.events import Answered, AskedDirectly, Event, Promoted, Seen
from tests.machines.fleet import Fleet, Front

ROW = INSTANCES[TRIPLES][:1]
ROW_OF_TABLE = INSTANCES[KEPT][:1]

NETWORK = "cross"
"""Which is asked for and promoted: its versions are those of each job."""

ASKING_PAUSE_SECONDS = 0.05
LOOKING_PAUSE_SECONDS = 0.25

FLEET_SHARE = 0.5
"""Of promotions, those that wait for the fleet."""


class Asker(Person):
    """Asks for a prediction all the time, once each; a carrier sends the epoch that it knows."""

    timeout_seconds = 15.0

    def __init__(
        self,
        front: Front,
        random: Random,
        events: list[Event],
        name: str,
        dataset: str = TRIPLES,
    ) -> None:
        super().__init__(front, random)
        self._events = events
        self._name = name
        self._dataset = dataset
        self._knows = 0

    def _act(self) -> None:
        while not self._over.wait(ASKING_PAUSE_SECONDS):
            answer = self._predict()
            self._knows = max(self._knows, answer.epoch)
            self._events.append(answer)

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response | None:
        """Asks once more where a connection is closed without an answer.

        HAProxy leaves that to clients on connections that they keep, and most do so by themselves:
        RFC 9110, section 9.2.2.
        """
        try:
            return self._client.request(method, self._service.client.base_url.join(path), **more)
        except (httpx.ReadError, httpx.RemoteProtocolError):
            return super()._ask(method, path, **more)
        except httpx.TransportError:
            return None

    def _predict(self) -> Answered:
        row = ROW if self._dataset == TRIPLES else ROW_OF_TABLE
        question = {"dataset": self._dataset, "instances": row, "model": NETWORK}
        headers = {"Connection": self._random.choice(["keep-alive", "close"])}
        if self._name == "carrier":
            headers["X-Serving-Epoch"] = str(self._knows)
        asked_at, knew = time.monotonic(), self._knows
        response = self._ask("POST", "/predict", json=question, headers=headers)
        now = time.monotonic()
        if response is None:
            return Answered(self._name, asked_at, now, None, knew=knew, dataset=self._dataset)
        is_answer = response.status_code == 200
        return Answered(
            self._name,
            asked_at,
            now,
            response.status_code,
            response.json() if is_answer else response.text,
            epoch_of(response) if is_answer else 0,
            knew,
            may_be_old="warning" in response.headers,
            dataset=self._dataset,
        )


class ThroughBalancer(Trainer):
    """Takes what only the balancer says for no answer."""

    timeout_seconds = 20.0

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response | None:
        response = super()._ask(method, path, **more)
        if response is not None and response.status_code in {502, 503, 504}:
            is_ours = "json" in response.headers.get("Content-Type", "")
            return response if is_ours else None
        return response


class Poster(ThroughBalancer):
    """Posts jobs until they are accepted, and cancels some of them."""

    def __init__(self, front: Front, random: Random, ledger: Ledger, jobs: int) -> None:
        super().__init__(front, random, ledger)
        self._orders = [
            (
                new_key(random),
                {**WITH_BASELINES, "seed": random.randrange(10**6), "promote": "never"},
            )
            for _ in range(jobs)
        ]

    def _act(self) -> None:
        for key, config in self._orders:
            while not (job := self._post(key, config)):
                assert not self._is_too_late(), "a job was never accepted"
                self._pause()
            if self._random.random() < CANCELLED_SHARE:
                self._over.wait(self._random.uniform(0, 5))
                while not self._cancel(job["id"]):
                    assert not self._is_too_late(), "a job could be neither cancelled nor kept"
                    self._pause()


class Promoter(ThroughBalancer):
    """Promotes versions back and forth, and looks whether the whole fleet has followed."""

    def __init__(self, fleet: Fleet, random: Random, ledger: Ledger, events: list[Event]) -> None:
        super().__init__(fleet.front, random, ledger)
        self._doors = fleet.doors
        self._events = events

    def _act(self) -> None:
        versions = [1, 2]
        while not self._over.wait(self._random.uniform(0, 1)):
            versions.reverse()
            waits = self._random.random() < FLEET_SHARE
            path = f"/models/triples/{NETWORK}/serving" + ("?wait=fleet" if waits else "")
            response = self._ask_orderly("PUT", path, json={"version": versions[0]})
            if waits and response is not None and response.status_code == 200:
                self._events.append(Promoted(time.monotonic(), epoch_of(response)))
                for door in self._doors:
                    self._ask_directly(door)

    def _ask_directly(self, door: Front) -> None:
        try:
            ready = door.is_ready()
            asked_at = time.monotonic()
            question = {"instances": ROW, "model": NETWORK}
            answer = door.client.post("/predict", json=question, timeout=5)
        except httpx.TransportError:
            return
        if answer.status_code == 200:
            self._events.append(AskedDirectly(asked_at, ready, epoch_of(answer)))


class Watcher(Person):
    """Looks in the job database at what runs where, and keeps each change."""

    def __init__(self, fleet: Fleet, random: Random, events: list[Event]) -> None:
        super().__init__(fleet.front, random)
        self._fleet = fleet
        self._events = events
        self._last: dict[str, Seen] = {}

    def _act(self) -> None:
        question = (
            "SELECT workflow_uuid, status, coalesce(executor_id, '') FROM dbos.workflow_status "
            "WHERE name = 'train'"
        )
        while not self._over.is_set():
            try:
                with self._fleet.connect() as connection:
                    while not self._over.wait(LOOKING_PAUSE_SECONDS):
                        for row in connection.execute(question).fetchall():
                            self._see(Seen(time.monotonic(), *row))
            except psycopg.Error:
                self._over.wait(LOOKING_PAUSE_SECONDS)

    def _see(self, seen: Seen) -> None:
        """Keeps what is new."""
        last = self._last.get(seen.job_id)
        if last is None or (last.status, last.worker) != (seen.status, seen.worker):
            self._last[seen.job_id] = seen
            self._events.append(seen)


def epoch_of(response: httpx.Response) -> int:
    """Of which an answer tells."""
    return int(response.headers["X-Serving-Epoch"])
