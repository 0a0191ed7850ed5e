"""What a job does about a store that is away: hours of training are not lost for it."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from service.errors import Unavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")

AGAIN_SECONDS = 1.0


def patiently(do: Callable[[], T]) -> T:
    """Does something that can be done again, until what it needs answers."""
    while True:
        try:
            return do()
        except Unavailable as error:
            logger.warning("the job waits: %s", error.detail)
            time.sleep(AGAIN_SECONDS)
