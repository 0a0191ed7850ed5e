"""Follows the head for all processes of this machine, and keeps its folder in order.

Of all API processes one at a time does so: it holds a lock that ends with it. So an idle machine
asks the store for one object a second.
"""

import asyncio
import logging
import os
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from models.config import MODEL_NAMES
from models.schema import DATASET_NAME
from service import taken_folder
from service.errors import NotFound, Unavailable
from service.file_lock import try_lock
from service.registry.manifest import Damaged
from service.store.head import Head
from service.store.places import Places

if TYPE_CHECKING:  # imported only where there is one
    from service.store.store import Store

logger = logging.getLogger(__name__)

POLLING_SECONDS = 1.0

_is_name = re.compile(DATASET_NAME).fullmatch


async def catch_up(store: "Store") -> None:
    """Reads the head, if the store answers."""
    with suppress(Unavailable):
        await asyncio.to_thread(store.refresh)


async def keep_following(places: Places) -> None:
    """Follows the head until cancelled, whenever nobody else here does."""
    assert places.store is not None
    follower = Follower(places, places.store)
    # Of its own: a store that does not answer would hold the threads that all others share.
    with ThreadPoolExecutor(1) as thread:
        while True:
            await asyncio.get_running_loop().run_in_executor(thread, follower.look)
            await asyncio.sleep(POLLING_SECONDS)


class Follower:
    """Looks for a new head, and does what is to be done about it."""

    def __init__(self, places: Places, store: "Store") -> None:
        self._places = places
        self._store = store
        self._lock: int | None = None
        self._done: Head | None = None
        self._is_away = False

    def look(self) -> None:
        """Looks once; a store that does not answer is looked for again the next time."""
        try:
            if not self._leads():
                return
            head = self._store.refresh().head
            if self._is_away:
                logger.info("the object store answers again")
            self._is_away = False
            if head != self._done:
                self._follow(head)
                self._done = head
        except (Unavailable, OSError) as error:
            if not self._is_away:  # say it once
                logger.error("the object store cannot be followed: %s", error)
            self._is_away = True
        except Exception:
            logger.exception("could not follow the object store")

    def _leads(self) -> bool:
        if self._lock is None:
            self._store.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._store.folder / "follower.lock", os.O_RDWR | os.O_CREAT, 0o644)
            if not try_lock(lock):
                os.close(lock)
                return False
            self._lock = lock
        return True

    def _follow(self, head: Head) -> None:
        taken_folder.clear(self._store.incoming)
        self._forget()
        self._fetch_ahead()
        for prefix in head.removed:
            self._store.delete(prefix)

    def _forget(self) -> None:
        """Removes what this machine has of datasets and revisions that are gone."""
        artifacts, kept = self._places.registry.artifacts, self._store.folder / "kept" / "datasets"
        models, tables = _names(artifacts), _entries(self._store.folder / "tables")
        lives = [life for of in _names(kept) for life in _entries(of)]
        # Read after them: others here may know and use more by now.
        datasets = self._store.head.datasets
        ids = {each.id for of in datasets.values() for each in of.revisions}
        alive = {(name, of.life) for name, of in datasets.items()}
        for folder in (
            *(each for each in models if each.name not in datasets),
            *(each for each in lives if (each.parent.name, each.name) not in alive),
            *(each for each in tables if each.name not in ids),
        ):
            taken = taken_folder.take(self._store.incoming)
            with suppress(FileNotFoundError):
                folder.rename(taken.folder / "gone")
            taken_folder.discard(taken)

    def _fetch_ahead(self) -> None:
        """Fetches what serves, and what served before it, of the datasets that are in use here."""
        for folder in _names(self._places.registry.artifacts):
            registry = self._places.registry.of(folder.name)
            for name in MODEL_NAMES:
                with suppress(NotFound, Damaged):
                    if (change := registry.last_change(name)) and any(_entries(folder / name)):
                        for number in (change.version, change.previous):
                            if number is not None:
                                registry.folder(name, number)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def _names(folder: Path) -> list[Path]:
    return [each for each in _entries(folder) if _is_name(each.name)]
