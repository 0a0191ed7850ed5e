"""Follows the head for all processes of this machine, and keeps its folder in order.

Of all API processes one at a time does so: it holds a lock that ends with it. So an idle machine
asks the store for one object a second. Where that one hangs, the others ask, too: without news none
of them may stay ready.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from models.config import MODEL_NAMES, ModelName
from service.errors import NotFound, Unavailable
from service.file_lock import try_lock
from service.registry.manifest import Damaged
from service.store import tidying
from service.store.head import Head
from service.store.places import Places
from service.store.tidying import entries, names

if TYPE_CHECKING:  # imported only where there is one
    from service.store.store import Store

logger = logging.getLogger(__name__)

POLLING_SECONDS = 1.0

PATIENCE_SECONDS = 1.5
"""How old news may be before others ask, too: so they still come in time for all to be ready."""

AGAIN_SECONDS = 10.0
"""How long what could not be done is left alone."""


async def catch_up(store: "Store") -> None:
    """Reads the head, if the store answers."""
    with suppress(Unavailable):
        await asyncio.to_thread(store.refresh)


async def keep_following(places: Places) -> None:
    """Follows the head until cancelled, whenever nobody else here does."""
    assert places.store is not None
    follower = Follower(places, places.store)
    # Apart, for to fetch and to delete may take minutes.
    await asyncio.gather(_keep_doing(follower.look), _keep_doing(follower.tidy_up))


async def _keep_doing(what: Callable[[], None]) -> None:
    # Of its own: a store that does not answer would hold the threads that all others share.
    with ThreadPoolExecutor(1) as thread:
        while True:
            try:
                await asyncio.get_running_loop().run_in_executor(thread, what)
            except Exception:
                logger.exception("could not follow the object store")
            await asyncio.sleep(POLLING_SECONDS)


class Follower:
    """Looks for a new head, and does what is to be done about it."""

    def __init__(self, places: Places, store: "Store") -> None:
        self._places = places
        self._store = store
        self._lock: int | None = None
        self._seen: Head | None = None
        self._done: Head | None = None
        self._again_at = 0.0
        self._is_away = False

    def look(self) -> None:
        """Looks once; a store that does not answer is looked for again the next time."""
        try:
            leads = self._leads()
            if not leads and self._store.unconfirmed_seconds() < PATIENCE_SECONDS:
                return
            head = self._store.refresh().head
            if self._is_away:
                logger.info("the object store answers again")
            self._is_away = False
            if leads:
                self._seen = head
        except (Unavailable, OSError) as error:
            if not self._is_away:  # say it once
                logger.error("the object store cannot be followed: %s", error)
            self._is_away = True

    def tidy_up(self) -> None:
        """Does what is to be done about the head that was seen last. What fails keeps nothing else
        from being done, and is done again after a while."""
        head = self._seen
        if head is None or head == self._done or time.monotonic() < self._again_at:
            return
        is_done = True
        for chore in self._chores(head):
            try:
                chore()
            except Exception as error:
                is_fault = not isinstance(error, Unavailable | OSError)
                logger.error("could not tidy up after a change: %s", error, exc_info=is_fault)
                is_done = False
        if is_done:
            self._done = head
        else:
            self._again_at = time.monotonic() + AGAIN_SECONDS

    def _leads(self) -> bool:
        if self._lock is None:
            self._store.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._store.folder / "follower.lock", os.O_RDWR | os.O_CREAT, 0o644)
            if not try_lock(lock):
                os.close(lock)
                return False
            self._lock = lock
        return True

    def _chores(self, head: Head) -> Iterator[Callable[[], None]]:
        yield from tidying.chores(self._places, self._store)
        for prefix in head.removed:
            yield partial(self._store.delete, prefix)
        # Last, for it takes longest.
        for folder in names(self._places.registry.artifacts):
            for name in MODEL_NAMES:
                yield partial(self._fetch_ahead, folder, name)

    def _fetch_ahead(self, folder: Path, name: ModelName) -> None:
        """Fetches what serves of a network, and what served before it, if it is in use here."""
        registry = self._places.registry.of(folder.name)
        with suppress(NotFound, Damaged):
            if (change := registry.last_change(name)) and any(entries(folder / name)):
                for number in (change.version, change.previous):
                    if number is not None:
                        registry.folder(name, number)
