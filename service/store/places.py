"""Where versions and tables are: in the artifacts folder, or in an object store."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from service.registry.versions import Registry
from service.tables.store import Tables

if TYPE_CHECKING:  # imported only where there is one
    from service.store.store import Store


class Places(NamedTuple):
    """Versions and tables; and the store they are in, unless that is the folder."""

    registry: Registry
    tables: Tables
    store: "Store | None"


def places(artifacts: Path, store_url: str) -> Places:
    """Opens them; nothing is asked for yet.

    Args:
        store_url: `s3://bucket/prefix`, …; empty: they are in the artifacts folder.
    """
    if not store_url:
        return Places(Registry(artifacts), Tables(artifacts), None)
    from service.objects import Objects
    from service.store.store import Store

    return stored(artifacts, Store(Objects.at(store_url), artifacts, store_url))


def stored(artifacts: Path, store: "Store") -> Places:
    """Those in a store."""
    from service.store.tables import StoredTables
    from service.store.versions import StoredRegistry

    return Places(StoredRegistry(artifacts, store), StoredTables(artifacts, store), store)
