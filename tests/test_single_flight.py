"""Who asks while a question is under way gets its answer."""

import asyncio
import gc

import pytest

from service.single_flight import SingleFlight

pytestmark = pytest.mark.anyio


class Asked:
    """A question that is answered by hand; it notes how often it was asked."""

    def __init__(self) -> None:
        self.answers: list[asyncio.Future[str]] = []

    async def __call__(self) -> str:
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]

    async def times(self, number: int) -> asyncio.Future[str]:
        """Waits until it was asked so often, and tells the last one's answer to be given."""
        while len(self.answers) < number:  # noqa: ASYNC110 -- each turn of the loop is an event
            await asyncio.sleep(0)
        assert len(self.answers) == number
        return self.answers[-1]


async def test_all_who_ask_meanwhile_get_one_answer_and_who_asks_later_another() -> None:
    asked = Asked()
    flight = SingleFlight(asked)
    several = [asyncio.create_task(flight.answer(10)) for _ in range(3)]
    (await asked.times(1)).set_result("one")
    assert await asyncio.gather(*several) == ["one"] * 3
    later = asyncio.create_task(flight.answer(10))
    (await asked.times(2)).set_result("two")
    assert await later == "two"


async def test_who_gives_up_leaves_the_question_to_the_next() -> None:
    asked = Asked()
    flight = SingleFlight(asked)
    with pytest.raises(TimeoutError):
        await flight.answer(0.01)
    cancelled = asyncio.create_task(flight.answer(10))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    patient = asyncio.create_task(flight.answer(10))
    (await asked.times(1)).set_result("late")
    assert await patient == "late"


async def test_all_who_wait_get_the_error() -> None:
    asked = Asked()
    flight = SingleFlight(asked)
    several = [asyncio.create_task(flight.answer(10)) for _ in range(2)]
    (await asked.times(1)).set_exception(ValueError("a fault"))
    outcomes = await asyncio.gather(*several, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["a fault"] * 2


async def test_who_has_waited_gets_that_answer_though_the_next_question_is_under_way() -> None:
    asked = Asked()
    flight = SingleFlight(asked)
    first = asyncio.create_task(flight.answer(10))
    (await asked.times(1)).set_result("one")
    while flight._asking is not None:  # noqa: ASYNC110
        await asyncio.sleep(0)  # an event would tell the first one before this one
    second = asyncio.create_task(flight.answer(10))
    (await asked.times(2)).set_result("two")
    assert (await first, await second) == ("one", "two")


async def test_who_wants_a_new_answer_waits_for_the_next_question() -> None:
    asked = Asked()
    flight = SingleFlight(asked)
    first = asyncio.create_task(flight.new_answer(10))
    before = await asked.times(1)
    late = [asyncio.create_task(flight.new_answer(10)) for _ in range(2)]
    await asyncio.sleep(0)
    before.set_result("from before")
    (await asked.times(2)).set_result("new")
    assert await first == "from before"
    assert await asyncio.gather(*late) == ["new"] * 2
    with pytest.raises(TimeoutError):
        await flight.new_answer(0.01)


@pytest.mark.parametrize("new", [False, True])
async def test_an_error_that_nobody_waits_for_any_more_is_not_told(
    new: bool, caplog: pytest.LogCaptureFixture
) -> None:
    asked = Asked()
    flight = SingleFlight(asked)
    with pytest.raises(TimeoutError):
        await (flight.new_answer if new else flight.answer)(0.01)
    (await asked.times(1)).set_exception(ValueError("a fault"))
    later = asyncio.create_task(flight.new_answer(10))
    (await asked.times(2)).set_result("well")
    assert await later == "well"
    gc.collect()
    assert not caplog.records
