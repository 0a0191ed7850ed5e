"""Removes what is left over, on a machine and in the store.

uploads/{id}    below which prefix a table is written, from before it is until the head names it

Who follows the head does so after each change, and a worker before each job: on its machine there
may be nobody who follows.
"""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from models.schema import DATASET_NAME
from service import taken_folder
from service.store.places import Places

if TYPE_CHECKING:  # imported only where there is one
    from service.store.store import Store

logger = logging.getLogger(__name__)

UPLOADS = "uploads/"

UPLOAD_KEPT = timedelta(days=1)
"""No upload takes as long."""

_is_name = re.compile(DATASET_NAME).fullmatch


def tidy_up(places: Places) -> None:
    """Removes all of it, if there is a store.

    Raises:
        Unavailable: The store does not answer.
    """
    if (store := places.store) is not None:
        store.refresh()
        for chore in chores(places, store):
            try:
                chore()
            except Exception:
                logger.exception("could not tidy up")


def chores(places: Places, store: "Store") -> Iterator[Callable[[], None]]:
    """What is to be done, apart: what fails is not to keep the rest from being done."""
    yield partial(taken_folder.clear, store.incoming)
    yield partial(_forget, places, store)
    yield partial(_sweep, store)


def _forget(places: Places, store: "Store") -> None:
    """Removes what this machine has of datasets and revisions that are gone."""
    kept = store.folder / "kept" / "datasets"
    models, tables = names(places.registry.artifacts), entries(store.folder / "tables")
    lives = [life for of in names(kept) for life in entries(of)]
    # Read after them: others here may know and use more by now.
    datasets = store.head.datasets
    ids = {each.id for of in datasets.values() for each in of.revisions}
    alive = {(name, of.life) for name, of in datasets.items()}
    for folder in (
        *(each for each in models if each.name not in datasets),
        *(each for each in lives if (each.parent.name, each.name) not in alive),
        *(each for each in tables if each.name not in ids),
    ):
        taken = taken_folder.take(store.incoming)
        with suppress(FileNotFoundError):
            folder.rename(taken.folder / "gone")
        taken_folder.discard(taken)


def _sweep(store: "Store") -> None:
    """Removes what uploads that were cut short have written in vain."""
    now = datetime.now(UTC)
    old = [key for key, at, *_ in store.objects.list(UPLOADS) if now - at > UPLOAD_KEPT]
    if not old:
        return
    # Read after them: by now the head names whatever it will.
    datasets = store.refresh().head.datasets.values()
    published = {each.id for of in datasets for each in of.revisions}
    for key in old:
        if key.removeprefix(UPLOADS) not in published and (found := store.objects.get(key)):
            store.objects.delete([each.key for each in store.objects.list(found[0].decode())])
        store.objects.delete([key])


def entries(folder: Path) -> list[Path]:
    """What is in a folder, if there is one."""
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def names(folder: Path) -> list[Path]:
    """What is in a folder that is called like a dataset."""
    return [each for each in entries(folder) if _is_name(each.name)]
