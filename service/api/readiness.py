"""What the service needs to do its work, and what of it is missing or damaged."""

import asyncio
import os
import time

from anyio import to_thread
from starlette.datastructures import State

from models.config import ModelName
from service.errors import Unavailable
from service.registry.versions import Registry
from service.schemas import Ready

KEPT_SECONDS = 0.5
"""How long an answer is given again: it needs no key, and each costs a look at every file."""


class Readiness:
    """What an API process depends on, looked at by one request at a time."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._looking = asyncio.Lock()
        self._looked_at = -KEPT_SECONDS
        self._found = Ready(ready=False, missing=[], damaged=[], serving={})

    async def check(self) -> Ready:
        """What is missing or damaged. Damaged versions do not make the service unready."""
        if self._state.stopping.is_set():
            missing = ["the service is stopping"]
            return self._found.model_copy(update={"ready": False, "missing": missing})
        async with self._looking:
            if time.monotonic() - self._looked_at > KEPT_SECONDS:
                self._found = await self._look()
                self._looked_at = time.monotonic()
            return self._found

    async def _look(self) -> Ready:
        missing: list[str] = []
        damaged: list[str] = []
        serving: dict[ModelName, int] = {}
        try:
            await self._state.jobs.check()
        except Unavailable as error:
            missing.append(error.detail)
        try:
            damaged = await to_thread.run_sync(_damaged, self._state.registry)
            loaded = self._state.predictor.serving.items()
            serving = {name: version.version for name, version in loaded}
        except OSError as error:
            missing.append(f"the artifacts folder cannot be used: {error.strerror}")
        return Ready(ready=not missing, missing=missing, damaged=damaged, serving=serving)


def _damaged(registry: Registry) -> list[str]:
    if not os.access(registry.root, os.W_OK):
        raise PermissionError(0, "it cannot be written to")
    return registry.damaged()
