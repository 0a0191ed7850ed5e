"""Machines that share nothing but an object store."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from service.objects import Objects, Tag
from service.store.places import Places, stored
from service.store.store import Store
from tests.tables.revisions import publish


def machine(folder: Path, objects: Objects) -> Places:
    """One with an empty folder."""
    places = stored(folder, Store(objects, folder))
    places.registry.prepare()
    return places


def refresh(*machines: Places) -> None:
    """Lets machines know what is new."""
    for each in machines:
        assert each.store is not None
        each.store.refresh()


def in_memory() -> Objects:
    """A store in this process."""
    return Objects(MemoryStore())


def keys(objects: Objects, prefix: str = "") -> list[str]:
    """The keys of all objects below a prefix."""
    return [each.key for each in objects.list(prefix)]


def make_anew(places: Places, content: bytes) -> None:
    """Deletes the table `houses`, and puts another one under its name."""
    refresh(places)
    places.tables.remove("houses")
    publish(places.tables, "houses", content)


@contextmanager
def one_reply_lost(meanwhile: Callable[[], object]) -> Iterator[None]:
    """The next swap is made, but told to have failed; and something happens until that is told."""
    real = Objects.swap
    with pytest.MonkeyPatch.context() as patched:

        def lossy(self: Objects, key: str, content: bytes, tag: Tag | None) -> None:
            patched.undo()
            assert real(self, key, content, tag)
            meanwhile()

        patched.setattr(Objects, "swap", lossy)
        yield
