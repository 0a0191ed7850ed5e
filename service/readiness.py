"""What the service needs to do its work, and what of it is missing or damaged."""

import asyncio
import os

from starlette.datastructures import State

from models.config import ModelName
from service.errors import Unavailable
from service.registry import Registry
from service.schemas import Ready


async def check(state: State) -> Ready:
    """Looks at all that an API process depends on. Damaged versions do not make it unready."""
    missing = []
    if state.stopping.is_set():
        missing.append("the service is stopping")
    try:
        await state.jobs.check()
    except Unavailable as error:
        missing.append(error.detail)
    damaged: list[str] = []
    serving: dict[ModelName, int] = {}
    try:
        damaged = await asyncio.to_thread(_damaged, state.registry)
        serving = {name: loaded.version for name, loaded in state.predictor.serving.items()}
    except OSError as error:
        missing.append(f"the artifacts folder cannot be used: {error.strerror}")
    return Ready(ready=not missing, missing=missing, damaged=damaged, serving=serving)


def _damaged(registry: Registry) -> list[str]:
    if not os.access(registry.root, os.W_OK):
        raise PermissionError(0, "it cannot be written to")
    return registry.damaged()
