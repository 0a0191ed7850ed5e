"""Whether the service can predict and whether it can train, and what is missing for either."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from anyio import to_thread
from starlette.datastructures import State

from models.schema import TRIPLES
from service.errors import Unavailable
from service.registry.damage import Inspection
from service.registry.versions import Registry
from service.schemas import Ready, Training
from service.single_flight import SingleFlight

if TYPE_CHECKING:  # imported only where there is one
    from service.store.store import Store

KEPT_SECONDS = 0.5
"""How long an answer is given again: it needs no key, and each costs a look at every file."""

DATABASE_SECONDS = {"predictions": 0.25, "jobs": 2.0}
"""How long the job database may take to answer; predictions can do without it."""

DAMAGE_SECONDS = 0.5
"""How long to look for damaged versions; a balancer waits for a second. The look goes on."""

STORE_SECONDS = 3.0
"""How long the object store may be silent. It is asked once a second."""

Subject = Literal["predictions", "jobs"]


class Readiness:
    """What an API process depends on for its subject, looked at by one request at a time."""

    def __init__(self, state: State, subject: Subject) -> None:
        self._state = state
        self._subject = subject
        self._inspection = Inspection(state.registry)
        self._looking = asyncio.Lock()
        self._looked_at = -KEPT_SECONDS
        self._damage = SingleFlight(self._look_for_damage)
        self._damaged: list[str] = []
        self._database = SingleFlight(partial(_answer, state.jobs.check))
        self._workers = SingleFlight(partial(_answer, state.jobs.why_down))

    async def check(self) -> Ready:
        """What is missing or damaged. Damaged versions do not make the service unready.

        They are those of triples, of the tables that this process has loaded for predictions, and
        of others where it has met one.
        """
        async with self._looking:
            if time.monotonic() - self._looked_at > KEPT_SECONDS:
                self._found = await self._look()
                self._looked_at = time.monotonic()
        if self._state.stopping.is_set():
            missing = ["the service is stopping"]
            return self._found.model_copy(update={"ready": False, "missing": missing})
        return self._found

    async def _look(self) -> Ready:
        following, root = self._state.following, self._state.registry.artifacts
        missing: list[str] = []
        try:
            self._damaged = await self._damage.answer(DAMAGE_SECONDS)
        except TimeoutError:
            pass  # what was found last
        except OSError as error:
            missing.append(f"the artifacts folder cannot be used: {error.strerror}")
        not_training = await asyncio.gather(
            self._ask(self._database),
            self._ask(self._workers),
            to_thread.run_sync(_why_read_only, root),
        )
        every = (*not_training, self._why_away())
        missing_there = list(dict.fromkeys(each for each in every if each))
        training = Training(ready=not missing_there, missing=missing_there)
        if not following.has_looked:
            missing.append("the versions that serve are not loaded yet")
        elif (seconds := following.unconfirmed_seconds()) > self._state.settings.staleness_seconds:
            missing.append(f"for {seconds:.0f} s it could not be looked up what serves")
        if self._subject == "jobs":
            missing = training.missing
        return Ready(
            ready=not missing,
            missing=missing,
            damaged=self._damaged,
            serving={name: loaded.version for name, loaded in following.triples.networks.items()},
            training=training,
        )

    async def _look_for_damage(self) -> list[str]:
        registry: Registry = self._state.registry
        tables = {*self._state.following.tables, *registry.known_damaged()} - {TRIPLES}
        return await to_thread.run_sync(lambda: registry.damaged() + self._inspection.look(tables))

    def _why_away(self) -> str | None:
        store: Store | None = self._state.places.store
        is_away = store is not None and store.unconfirmed_seconds() > STORE_SECONDS
        return "the object store does not answer" if is_away else None

    async def _ask(self, whom: SingleFlight[str | None]) -> str | None:
        """What is wrong with them."""
        try:
            return await whom.answer(DATABASE_SECONDS[self._subject])
        except TimeoutError:
            return "the job database does not answer"


async def _answer(question: Callable[[], Awaitable[str | None]]) -> str | None:
    try:
        return await question()
    except Unavailable as error:
        return error.detail


def _why_read_only(root: Path) -> str | None:
    return None if os.access(root, os.W_OK) else "the artifacts folder cannot be written to"
