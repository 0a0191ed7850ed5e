"""Damaged versions of many datasets, looked for within bounded time."""

import time
from collections.abc import Iterable

from service.registry.versions import Registry

LOOK_SECONDS = 0.1
"""After so long, no further dataset is begun with."""


class Inspection:
    """Looks at datasets in turn, at some of them each time, and remembers what it found."""

    def __init__(self, registry: Registry, seconds: float = LOOK_SECONDS) -> None:
        self._registry = registry
        self._seconds = seconds
        # By dataset; the one that was looked at longest ago is the first.
        self._found: dict[str, list[str]] = {}

    def look(self, datasets: Iterable[str]) -> list[str]:
        """The damaged versions of these datasets, by name, and what is wrong with each.

        At least one dataset is looked at, a new one before others. Of those whose turn is another
        time it tells what it last found.
        """
        wanted = set(datasets)
        found = {name: these for name, these in self._found.items() if name in wanted}
        until = time.monotonic() + self._seconds
        for name in [*sorted(wanted - found.keys()), *found]:
            found.pop(name, None)
            found[name] = self._registry.of(name).damaged()
            if time.monotonic() >= until:
                break
        self._found = found
        return [each for name in sorted(found) for each in found[name]]
