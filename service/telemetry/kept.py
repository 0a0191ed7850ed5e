"""What is looked up for a scrape, and kept for the next ones."""

import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from service.errors import CrosscheckError
from service.single_flight import SingleFlight

logger = logging.getLogger(__name__)

WAIT_SECONDS = 2.0
"""How long a scrape waits for a look; Prometheus gives up after 10 s."""

T = TypeVar("T")


class Kept(Generic[T]):
    """The outcome of one look at a time, which is kept for some seconds."""

    def __init__(self, look: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> None:
        self._look = look
        self._seconds = seconds
        self._looking = SingleFlight(self._try)
        self._outcome: T | None = None
        self._kept_until = 0.0

    async def get(self) -> T | None:
        """The outcome; None where the look has failed, or takes too long."""
        if time.monotonic() < self._kept_until:
            return self._outcome
        try:
            return await self._looking.answer(WAIT_SECONDS)
        except TimeoutError:
            return None

    async def _try(self) -> T | None:
        try:
            self._outcome = await self._look()
        except (CrosscheckError, OSError):
            self._outcome = None  # `/readyz` says what is wrong
        except Exception:
            logger.exception("could not look up what is to be scraped")
            self._outcome = None
        self._kept_until = time.monotonic() + self._seconds
        return self._outcome
