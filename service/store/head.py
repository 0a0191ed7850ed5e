"""The head: one small object that says what there is, and what serves.

Every change of anything is one swap of it, so everybody who reads it sees one state of all, and
whoever follows it asks for one object. What it names was written before, and never changes.
"""

from typing import Self

import msgspec

from models.schema import TRIPLES

KEY = "head.json"

BUILT_IN = "built-in"
"""The life of the dataset that is always there."""


class Network(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a network: its versions are 1 to `newest`."""

    newest: int = 0
    serving: int = 0
    """0 before anything serves."""
    epoch: int = 0
    """How often what serves has changed."""
    change: str = ""
    """The last change, by its id."""


class Revision(msgspec.Struct, frozen=True, array_like=True):
    """A revision of a table."""

    number: int
    id: str


class Dataset(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a dataset. One that was removed and made again has another life."""

    life: str
    revisions: tuple[Revision, ...] = ()
    networks: dict[str, Network] = {}

    @property
    def prefix(self) -> str:
        """Below which all of its objects are."""
        return self.life

    def with_network(self, name: str, network: Network) -> Self:
        return msgspec.structs.replace(self, networks={**self.networks, name: network})


class Head(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of everything."""

    swaps: int = 0
    """How often it was swapped: the larger, the newer."""
    datasets: dict[str, Dataset] = {TRIPLES: Dataset(BUILT_IN)}
    removed: tuple[str, ...] = ()
    """Prefixes of which the objects are still to be deleted."""

    def with_dataset(self, name: str, dataset: Dataset | None, *removed: str) -> Self:
        """The next head, with another state of a dataset, or without it."""
        others = {each: found for each, found in self.datasets.items() if each != name}
        return msgspec.structs.replace(
            self,
            swaps=self.swaps + 1,
            datasets=others if dataset is None else {**others, name: dataset},
            removed=(*self.removed, *removed),
        )
