"""Somebody who uploads tables, has them trained on, and deletes a dataset when done with it."""

import hashlib
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import httpx

from tests.conftest import Service
from tests.faults.clients import CANCELLED_SHARE, new_key
from tests.faults.ledger import Ledger, Revision
from tests.faults.people import Trainer, asks_to_come_again, told

KEPT, PASSING = "houses", "flats"
"""A dataset that is there as long as the service, and one that comes and goes."""

ROWS = 200

TINY: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 20,
    "max_restarts": 0,
    "optimizer": {"name": "adam", "learning_rate": 0.05},
    "dense": {"hidden_units": [2]},
    "cross": {"layers": 1},
}
"""A job of two seconds."""


class Owner(Trainer):
    """Does one thing after the other, each until it is done, whatever is refused meanwhile."""

    def __init__(self, service: Service, random: Random, ledger: Ledger, *, trains: bool) -> None:
        super().__init__(service, random, ledger)
        self._trains = trains

    def _act(self) -> None:
        time.sleep(self._random.uniform(0, 0.5))
        self._upload(KEPT)
        if self._trains:
            name = self._random.choice([KEPT, PASSING])
            if name == PASSING:
                self._upload(PASSING)
            self._train_on(name)
            if name == PASSING:
                self._delete(PASSING)

    def _upload(self, name: str) -> None:
        content = table(self._random)
        path = f"/datasets/{name}?target=price"
        response = self._insist("PUT", path, 201, if_done_before=200, content=content)
        sha256 = hashlib.sha256(content).hexdigest()
        self._ledger.revisions.append(Revision(name, response.json()["revision"], sha256))

    def _train_on(self, name: str) -> None:
        key, config = new_key(self._random), self._job_on(name)
        while not (job := self._post(key, config)):
            self._pause_or_give_up("a job was never accepted")
        if self._random.random() < CANCELLED_SHARE:
            time.sleep(self._random.uniform(0, 3))
            while not self._cancel(job["id"]):
                self._pause_or_give_up("a job could be neither cancelled nor kept")

    def _job_on(self, name: str) -> dict[str, Any]:
        return {"dataset": name, **TINY}

    def _delete(self, name: str) -> None:
        self._insist("DELETE", f"/datasets/{name}", 204, if_done_before=404)
        self._ledger.forget(name)

    def _insist(
        self, method: str, path: str, done: int, *, if_done_before: int, content: bytes = b""
    ) -> httpx.Response:
        """Asks until the status says that it is done, now or by a question without an answer."""
        expected = {done}
        while True:
            more = {"content": self._in_pieces(content)} if content else {}
            response = self._ask(method, path, **more)
            if response is not None and response.status_code in expected:
                return response
            if response is not None and not _is_passing(response):
                raise AssertionError(told(response))
            if response is None or response.status_code == 503:
                expected.add(if_done_before)
            self._pause_or_give_up(f"{method} {path} was never done")

    def _in_pieces(self, content: bytes) -> Iterator[bytes]:
        size = -(-len(content) // 4)
        for start in range(0, len(content), size):
            yield content[start : start + size]
            self._pause()

    def _pause_or_give_up(self, why: str) -> None:
        assert not self._is_too_late(), why
        self._pause()


def table(random: Random) -> bytes:
    """A small table as CSV, another one each time."""
    rows = [(random.uniform(20, 200), random.choice(["Oslo", "Rome"])) for _ in range(ROWS)]
    lines = [f"{area:.2f},{city},{area * (3 + (city == 'Rome')):.2f}" for area, city in rows]
    return "\n".join(["area,city,price", *lines]).encode()


def _is_passing(response: httpx.Response) -> bool:
    """Refusals while a job needs the dataset, or because the reader of a table was killed."""
    return (
        asks_to_come_again(response)
        or (response.status_code == 409 and "a job needs" in response.text)
        or (response.status_code == 422 and "SIGKILL" in response.text)
    )
