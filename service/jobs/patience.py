"""What a job does about a store that is away: hours of training are not lost for it."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from service.errors import Unavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")

AGAIN_SECONDS = 1.0


ENOUGH_SECONDS = 600.0
"""A store that is not ours may be away for good."""


class GivenUp(Exception):
    """Nothing answers; the text is for the person who posted the job."""


def patiently(do: Callable[[], T]) -> T:
    """Does something that can be done again, until what it needs answers."""
    while True:
        try:
            return do()
        except Unavailable as error:
            logger.warning("the job waits: %s", error.detail)
            time.sleep(AGAIN_SECONDS)


def for_a_while(do: Callable[[], T]) -> T:
    """As `patiently`. Raises GivenUp after ten minutes."""
    begun = time.monotonic()

    def once() -> T:
        try:
            return do()
        except Unavailable as error:
            if time.monotonic() - begun < ENOUGH_SECONDS:
                raise
            raise GivenUp(f"for ten minutes {error.detail}") from None

    return patiently(once)
