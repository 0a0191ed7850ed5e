"""What serves of a dataset, as an API process has it in memory."""

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from models.config import MODEL_NAMES, ModelName
from models.schema import TRIPLES
from service.errors import NotFound
from service.predict.default import Default, choose
from service.predict.formats.question import PREVIOUS, Version
from service.predict.loaded import Loaded, load
from service.registry.versions import Registry

logger = logging.getLogger(__name__)


class Serving(NamedTuple):
    """The versions that serve, loaded. It is never changed: another one takes its place."""

    networks: Mapping[ModelName, Loaded]
    default: Default | None
    state: tuple[object, ...]
    """Of the registry, as these were loaded; empty before that."""
    previous: Mapping[ModelName, int] = MappingProxyType({})
    """Which versions served before these."""

    def resolve(
        self, model: ModelName | None, version: Version | None
    ) -> tuple[ModelName | None, float | None]:
        """The model and the number of a version. Raises NotFound if none served before."""
        if version is None:
            return model, None
        if model is None and self.default:
            model = self.default.loaded.model
        if version == PREVIOUS:
            if model is None or model not in self.previous:
                raise NotFound(f"no other version of {model or 'any model'} has served before")
            version = self.previous[model]
        return model, version

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
    is_gone = registry.dataset != TRIPLES and not registry.is_there
    networks, previous = {}, {}
    for name in MODEL_NAMES:
        loaded, number = before.networks.get(name), registry.serving(name)
        if number is not None:
            job_id = registry.metadata(name, number).job_id
            # A dataset that was deleted and made again counts its versions anew.
            if loaded is None or (loaded.version, loaded.job_id) != (number, job_id):
                loaded = load(registry, name, number)
                logger.info("serving %s of %s", loaded, registry.dataset)
        if loaded is not None and (number is not None or not is_gone):
            networks[name] = loaded
        change = registry.last_change(name)
        if change is not None and change.previous not in (None, number):
            previous[name] = change.previous
    return Serving(networks, choose(networks.values(), registry), state, previous)
