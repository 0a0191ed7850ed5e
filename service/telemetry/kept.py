"""What is looked up for a scrape, and kept for the next ones."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from service.errors import CrosscheckError

logger = logging.getLogger(__name__)

WAIT_SECONDS = 2.0
"""How long a scrape waits for a look; Prometheus gives up after 10 s."""

T = TypeVar("T")


class Kept(Generic[T]):
    """The outcome of one look at a time, which is kept for some seconds."""

    def __init__(self, look: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._look = look
        self._seconds = seconds
        self._looking: asyncio.Task[T | None] | None = None
        self._looked_at = 0.0

    async def get(self) -> T | None:
        """The outcome; None where the look has failed, or takes too long."""
        looking = self._looking
        if looking is None or (
            looking.done() and time.monotonic() - self._looked_at >= self._seconds
        ):
            looking = self._looking = asyncio.create_task(self._try())
        done, _ = await asyncio.wait([looking], timeout=WAIT_SECONDS)
        return looking.result() if done else None  # by now, another one may be under way

    async def _try(self) -> T | None:
        try:
            return await self._look()
        except (CrosscheckError, OSError):
            return None  # `/readyz` says what is wrong
        except Exception:
            logger.exception("could not look up what is to be scraped")
            return None
        finally:
            self._looked_at = time.monotonic()
