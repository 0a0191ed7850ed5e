"""One question at a time, whose answer goes to all who ask it meanwhile."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Asks one question, of which never two are under way."""

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[T] | None = None

    async def answer(self, seconds: float | None) -> T:
        """The answer to the question that is under way, or else to a new one.

        Args:
            seconds: How long to wait for it, if not for ever. Who gives up leaves the question
                under way for the next ones; so does who is cancelled.

        Raises:
            TimeoutError: There was no answer by then.
            Exception: What asking has raised; all who wait get it.
        """
        async with asyncio.timeout(seconds):
            return await self._joined()

    async def new_answer(self, seconds: float | None) -> T:
        """Like `answer`, to a question that is asked from now on: what is answered to one that is
        under way may have changed since it was asked."""
        async with asyncio.timeout(seconds):
            if self._asking is not None:
                await asyncio.wait([self._asking])
            return await self._joined()

    async def _joined(self) -> T:
        asking = self._asking
        if asking is None:
            asking = self._asking = asyncio.create_task(self._ask())
            asking.add_done_callback(self._over)
        await asyncio.wait([asking])
        return asking.result()  # of that which was waited for: by now, another may be under way

    def _over(self, asked: asyncio.Task[T]) -> None:
        """It keeps no answer. That nobody waits for an error any more is none."""
        self._asking = None
        if not asked.cancelled():
            asked.exception()
