"""The service that is to be struck, and when."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeVar

from tests.conftest import Service

T = TypeVar("T")

EXPORTED, RECEIVED = ".staging/*/*/cross/assets.extra", ".datasets/.staging/*/upload"

MOMENTS = [
    (EXPORTED, f"{EXPORTED}/manifest.sha256"),
    (EXPORTED, f"{EXPORTED}/manifest.sha256"),
    (EXPORTED, ".datasets/.staging/*/models"),
    (RECEIVED, RECEIVED),
    (RECEIVED, ".datasets/.staging/*/table/data.parquet"),
    (RECEIVED, ".datasets/.staging/*/table/manifest.sha256"),
]
"""A job publishes what it trained; its dataset is deleted; a table is received, read, published.

Each is what is seen shortly before, and what is seen at that moment."""


@dataclass
class Scene:
    """What a fault may strike, and what it has struck."""

    service: Service
    random: Random
    expendable: list[Path] = field(default_factory=list)
    """Published versions that may be damaged: others are left to serve."""
    damaged: set[Path] = field(default_factory=set)
    over: float = 0.0
    """When the fault was over, if that was before it returned."""

    def at_its_moment(self, find: Callable[[], T]) -> T:
        """Waits for the moment to strike, and returns the victims that were found for it.

        That is any moment, or one of the few milliseconds in which something is decided: then
        victims are looked for as soon as it shows that this is about to come.
        """
        if self.random.random() < 0.3:
            time.sleep(self.random.uniform(0, 2))
            return find()
        sign, event = self.random.choice(MOMENTS)
        signs, events = self._matching(sign), self._matching(event)
        _wait(6, lambda: not self._matching(sign) <= signs)
        victims = find()
        with _attention():
            _wait(1, lambda: not self._matching(event) <= events)
            time.sleep(self.random.uniform(0, 0.01))
        return victims

    def _matching(self, pattern: str) -> set[Path]:
        return set(self.service.artifacts.glob(pattern))

    def wait(self) -> None:
        """Waits for the moment to strike."""
        self.at_its_moment(lambda: None)

    def start(self) -> None:
        """Starts the service again."""
        self.over = time.monotonic()
        self.service.start()

    def last(self) -> None:
        """Lets a fault last for a while."""
        time.sleep(self.random.uniform(0.5, 2.5))


@contextmanager
def _attention() -> Iterator[None]:
    """Other threads of this process give way within microseconds, not within 5 ms."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def _wait(seconds: float, condition: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.0002)
