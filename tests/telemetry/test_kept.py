"""What is looked up for a scrape, once for several."""

import asyncio

import pytest

from service.errors import Unavailable
from service.telemetry import kept
from service.telemetry.kept import Kept

pytestmark = pytest.mark.anyio


async def test_an_outcome_is_kept_and_then_looked_up_again() -> None:
    looks: list[int] = []

    async def look() -> int:
        looks.append(1)
        return len(looks)

    for_long, for_nothing = Kept(look, 1000.0), Kept(look, 0.0)
    assert [await for_long.get(), await for_long.get()] == [1, 1]
    assert [await for_nothing.get(), await for_nothing.get()] == [2, 3]


@pytest.mark.parametrize("error", [Unavailable("away"), OSError("gone"), ValueError("a fault")])
async def test_what_cannot_be_looked_up_is_none(error: Exception) -> None:
    async def look() -> int:
        raise error

    assert await Kept(look, 1000.0).get() is None


async def test_nobody_waits_for_long_and_there_is_one_look_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept, "WAIT_SECONDS", 0.01)
    looks, answered = [], asyncio.Event()

    async def look() -> str:
        looks.append(1)
        await answered.wait()
        return "late"

    slow = Kept(look, 1000.0)
    assert [await slow.get(), await slow.get()] == [None, None]
    answered.set()
    monkeypatch.setattr(kept, "WAIT_SECONDS", 10)
    assert await slow.get() == "late"
    assert len(looks) == 1
