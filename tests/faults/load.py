"""Somebody who keeps asking `/predict`, and remembers each answer."""

import threading
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Any, Self

import httpx

from models.config import MODEL_NAMES, ModelName
from tests.conftest import Service

INSTANCES = [[0.5, 0.5, 0.5], [0.1, 0.2, 0.3], [0.9, 0.05, 0.4]]

PAUSE_SECONDS = 0.02


@dataclass(frozen=True)
class Answer:
    """What came of one question; no status means that nobody answered."""

    status: int | None
    body: Any = None
    retried: bool = False

    @property
    def version(self) -> tuple[ModelName, int]:
        """Who made the predictions."""
        return self.body["model"], self.body["version"]


class Load:
    """A thread that asks one question after the other, half of them on new connections.

    A question whose connection breaks is asked once more, because a process that is killed takes
    its connections with it. So a failed question is one that failed twice, or whose answer was
    not 200.
    """

    def __init__(self, service: Service, random: Random) -> None:
        self._service = service
        self._random = random
        self._answers: list[Answer] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_asking)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def take(self) -> list[Answer]:
        """All answers since the last call."""
        answers, self._answers = self._answers, []
        return answers

    def _keep_asking(self) -> None:
        with httpx.Client(timeout=20) as client:
            while not self._stop.wait(PAUSE_SECONDS):
                answer = self._ask(client, retried=False)
                if answer.status is None:
                    answer = self._ask(client, retried=True)
                self._answers.append(answer)

    def _ask(self, client: httpx.Client, *, retried: bool) -> Answer:
        question: dict[str, Any] = {"instances": INSTANCES}
        if model := self._random.choice([None, *MODEL_NAMES]):
            question["model"] = model
        try:
            response = client.post(
                self._service.client.base_url.join("/predict"),
                json=question,
                headers={"Connection": self._random.choice(["keep-alive", "close"])},
            )
            return Answer(response.status_code, response.json(), retried)
        except httpx.TransportError:
            return Answer(None, retried=retried)
