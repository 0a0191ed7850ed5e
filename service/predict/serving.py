"""What serves of a dataset, as an API process has it in memory."""

import logging
import os
from collections.abc import Mapping
from typing import NamedTuple

from models.config import MODEL_NAMES, ModelName
from models.schema import TRIPLES
from service.errors import NotFound
from service.nearest import did_you_mean
from service.predict.default import Default, choose
from service.predict.loaded import Loaded, load
from service.registry.versions import Registry

DATASETS = ".datasets"

logger = logging.getLogger(__name__)


class Serving(NamedTuple):
    """The versions that serve, loaded. It is never changed: another one takes its place."""

    networks: Mapping[ModelName, Loaded]
    default: Default | None
    state: tuple[object, ...]
    """Of the registry, as these were loaded; empty before that."""

    def at_hand(self, model: ModelName | None, version: float | None) -> Loaded | None:
        """The version that is asked for, if it is one of these."""
        if model is None:
            return self.default and self.default.loaded
        found = self.networks.get(model)
        return found if found and version in (None, found.version) else None


NOTHING = Serving({}, None, ())


def look(registry: Registry, before: Serving) -> Serving:
    """What serves now; `before`, if nothing has changed.

    Where a network's versions are gone or damaged, what is loaded goes on to serve, unless the
    whole dataset has gone.
    """
    state = registry.state()
    if state == before.state:
        return before
    networks = {}
    for name in MODEL_NAMES:
        loaded, number = before.networks.get(name), registry.serving(name)
        if number is not None:
            job_id = registry.metadata(name, number).job_id
            # A dataset that was deleted and made again counts its versions anew.
            if loaded is None or (loaded.version, loaded.job_id) != (number, job_id):
                loaded = load(registry, name, number)
                logger.info("serving %s of %s", loaded, registry.dataset)
        if loaded is not None and (number is not None or exists(registry)):
            networks[name] = loaded
    return Serving(networks, choose(networks.values(), registry), state)


def exists(registry: Registry) -> bool:
    """Whether there is such a dataset, or what was trained on it."""
    places = (registry.artifacts / DATASETS / registry.dataset, registry.root)
    return registry.dataset == TRIPLES or any(place.is_dir() for place in places)


def unknown(registry: Registry) -> NotFound:
    """The refusal of a dataset that there is not, with the name of one that is like it."""
    try:
        names = [name for name in os.listdir(registry.artifacts / DATASETS) if name[0] != "."]
    except FileNotFoundError:
        names = []
    nearest = did_you_mean(registry.dataset, [*names, TRIPLES])
    return NotFound(f"there is no dataset {registry.dataset}{nearest}")
