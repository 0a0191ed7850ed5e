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

        That is any moment, or the few milliseconds in which a job seals what it has trained,
        decides to publish it and does so: then victims are looked for as soon as the job has
        exported its networks.
        """
        if self.random.random() < 0.3:
            time.sleep(self.random.uniform(0, 2))
            return find()
        exported = self._staged("cross/assets.extra")
        sealed = self._staged("cross/assets.extra/manifest.sha256")
        _wait(6, lambda: not self._staged("cross/assets.extra") <= exported)
        victims = find()
        with _attention():
            _wait(1, lambda: not self._staged("cross/assets.extra/manifest.sha256") <= sealed)
            time.sleep(self.random.uniform(0, 0.01))
        return victims

    def _staged(self, path: str) -> set[Path]:
        return set((self.service.artifacts / ".staging").glob(f"*/{path}"))

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
