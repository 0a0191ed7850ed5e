"""Somebody who keeps asking `/predict`, and remembers each answer."""

from dataclasses import dataclass
from random import Random
from typing import Any

from models.config import COMPARED
from models.schema import TRIPLES
from tests.conftest import Service
from tests.faults.ledger import INSTANCES
from tests.faults.people import Person

PAUSE_SECONDS = 0.02


@dataclass(frozen=True)
class Answer:
    """What came of one question; no status means that nobody answered."""

    status: int | None
    body: Any = None
    retried: bool = False
    dataset: str = TRIPLES

    @property
    def version(self) -> str:
        """Who made the predictions."""
        return f"{self.dataset}/{self.body['model']}/{self.body['version']}"


class Load(Person):
    """Asks one question after the other, half of them on new connections.

    A question whose connection breaks is asked once more, because a process that is killed takes
    its connections with it. So a failed question is one that failed twice, or whose answer was
    not 200.
    """

    timeout_seconds = 20.0

    def __init__(self, service: Service, random: Random) -> None:
        super().__init__(service, random)
        self._answers: list[Answer] = []

    def take(self) -> list[Answer]:
        """All answers since the last call."""
        answers, self._answers = self._answers, []
        return answers

    def _act(self) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            answer = self._predict(retried=False)
            if answer.status is None:
                answer = self._predict(retried=True)
            self._answers.append(answer)

    def _predict(self, *, retried: bool) -> Answer:
        dataset = self._random.choice(list(INSTANCES))
        question: dict[str, Any] = {"dataset": dataset, "instances": INSTANCES[dataset]}
        if model := self._random.choice([None, *COMPARED]):
            question["model"] = model
        headers = {"Connection": self._random.choice(["keep-alive", "close"])}
        response = self._ask("POST", "/predict", json=question, headers=headers)
        if response is None:
            return Answer(None, retried=retried)
        return Answer(response.status_code, response.json(), retried, dataset)
