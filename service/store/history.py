"""Changes of what serves, as objects.

{network}/history/{place}-{id}-{before}.json

The newest come first in a list, by their places. Whoever loses a swap leaves its change there; the
true ones are those that the head names, and each its predecessor.
"""

from collections.abc import Iterator
from itertools import islice

import msgspec

from service.schemas import Change
from service.store.head import FIRST, Network, new_id
from service.store.store import Store

PLACES = 10**10


def add(store: Store, below: str, network: Network, change: Change) -> Network:
    """Writes a change; it is made by whoever swaps in a head with what this returns."""
    after = msgspec.structs.replace(
        network,
        serving=change.version,
        epoch=network.epoch + 1,
        change=new_id(),
        before=network.change,
    )
    change = change.model_copy(update={"epoch": after.epoch})
    store.objects.put(_key(below, after), change.model_dump_json().encode())
    return after


def changes(store: Store, below: str, network: Network, limit: int | None) -> list[Change]:
    """The changes that led to what serves, newest first."""
    if network.change == FIRST:
        return []
    keys = [_key(below, network)]
    if limit != 1:
        keys = list(islice(_chain(store, below, network), limit))
    return [Change.model_validate_json(found) for found in store.kept_all(keys) if found]


def _chain(store: Store, below: str, network: Network) -> Iterator[str]:
    wanted = network.change
    for found in store.objects.list(f"{below}/history/"):
        _, change, before = found.key.rpartition("/")[2].removesuffix(".json").split("-")
        if change == wanted:
            yield found.key
            wanted = before


def _key(below: str, network: Network) -> str:
    place = PLACES - network.epoch
    return f"{below}/history/{place:010}-{network.change}-{network.before}.json"
