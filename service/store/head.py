"""The head: one small object that says what there is, and what serves.

Every change of anything is one swap of it, so everybody who reads it sees one state of all, and
whoever follows it asks for one object. What it names was written before, and never changes.
"""

import uuid
from typing import Self

import msgspec

from models.schema import TRIPLES

BUILT_IN = "built-in"
"""The life of the dataset that is always there."""

FIRST = "0"
"""What is named where there is no change before."""

RECENT = 64
"""So many swaps are told by their ids: of more, nobody waits for the reply."""


def new_id() -> str:
    """An id that nothing else below its prefix has."""
    return uuid.uuid4().hex[:12]


class Network(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a network: its versions are 1 to `newest`."""

    newest: int = 0
    serving: int = 0
    """0 before anything serves."""
    epoch: int = 0
    """How often what serves has changed."""
    change: str = FIRST
    """The id of the last change."""
    before: str = FIRST
    """And of the one before it."""


class Revision(msgspec.Struct, frozen=True, array_like=True):
    """A revision of a table."""

    number: int
    id: str


class Dataset(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a dataset. One that was removed and made again has another life."""

    life: str
    revisions: tuple[Revision, ...] = ()
    """The newest one last."""
    networks: dict[str, Network] = {}
    since: int = 0
    """How many swaps there were as it was made: epochs go on from here, beyond those of the
    datasets that had its name before."""

    def network(self, name: str) -> Network:
        return self.networks.get(name, Network())


class Head(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of everything."""

    swaps: int = 0
    """How often it was swapped: the larger, the newer."""
    datasets: dict[str, Dataset] = msgspec.field(
        default_factory=lambda: {TRIPLES: Dataset(BUILT_IN)}
    )
    removed: tuple[str, ...] = ()
    """Prefixes of which the objects are still to be deleted."""
    recent: tuple[str, ...] = ()
    """The ids of the last swaps: whose reply was lost finds out whether it was made."""

    def then(self, name: str, dataset: Dataset | None, removed: tuple[str, ...] = ()) -> Self:
        """The next head, with another state of a dataset, or without it."""
        datasets = {each: found for each, found in self.datasets.items() if each != name}
        if dataset is not None:
            datasets[name] = dataset
        return msgspec.structs.replace(
            self, swaps=self.swaps + 1, datasets=datasets, removed=(*self.removed, *removed)
        )

    def swapped_by(self, swap: str) -> Self:
        """The same head, which tells the id of the swap that makes it the next one."""
        return msgspec.structs.replace(self, recent=(*self.recent, swap)[-RECENT:])

    def without(self, removed: str) -> Self:
        """The next head, once the objects below a prefix are deleted."""
        if removed not in self.removed:
            return self
        rest = tuple(each for each in self.removed if each != removed)
        return msgspec.structs.replace(self, swaps=self.swaps + 1, removed=rest)


def prefix(name: str, dataset: Dataset) -> str:
    """Below which all objects of a dataset are."""
    return f"datasets/{name}/{dataset.life}"
