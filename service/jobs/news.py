"""What a child tells of while it trains, on its way to the job database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class News:
    """Keeps the latest news of each kind; whoever tells them never waits for the database.

    While it does not answer, later news take the place of earlier ones.
    """

    def __init__(self, keep: Callable[[str, Any], Awaitable[None]]) -> None:
        """`keep` takes the kind and the news, and raises nothing."""
        self._keep = keep
        self._latest: dict[str, Any] = {}
        self._arrived = asyncio.Event()
        self._ended = False
        self._keeping = asyncio.create_task(self._keep_all())

    def tell(self, kind: str, news: Any) -> None:
        """Takes news."""
        self._latest[kind] = news
        self._arrived.set()

    async def end(self) -> None:
        """Returns when all is kept; nothing more may come."""
        self._ended = True
        self._arrived.set()
        await self._keeping

    async def _keep_all(self) -> None:
        while self._latest or not self._ended:
            await self._arrived.wait()
            self._arrived.clear()
            latest, self._latest = self._latest, {}
            for kind, news in latest.items():
                await self._keep(kind, news)
