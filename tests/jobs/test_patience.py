import pytest

from service.errors import Unavailable
from service.jobs import patience


def test_what_is_away_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: list[Exception | int] = [Unavailable("away"), Unavailable("away"), 1]
    waits: list[float] = []

    def do() -> int:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr("time.sleep", waits.append)
    assert patience.patiently(do) == 1
    assert waits == [patience.AGAIN_SECONDS] * 2
