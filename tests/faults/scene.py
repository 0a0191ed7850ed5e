"""The service that is to be struck."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.conftest import Service


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

    def start(self) -> None:
        """Starts the service again."""
        self.over = time.monotonic()
        self.service.start()

    def last(self) -> None:
        """Lets a fault last for a while."""
        time.sleep(self.random.uniform(0.5, 2.5))
