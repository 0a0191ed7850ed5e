"""What serves of a dataset, as an API process has it in memory."""

import logging
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

from models.config import MODEL_NAMES, ModelName
from models.schema import TRIPLES
from service.errors import NotFound
from service.predict.canary import Trial
from service.predict.default import Default, choose
from service.predict.formats.question import PREVIOUS, Version
from service.predict.loaded import Loaded, load
from service.registry.manifest import Damaged
from service.registry.versions import Registry
from service.schemas import Change

logger = logging.getLogger(__name__)


class Serving(NamedTuple):
    """The versions that serve, loaded. It is never changed: another one takes its place."""

    networks: Mapping[ModelName, Loaded]
    default: Default | None
    state: tuple[object, ...]
    """Of the registry, as these were loaded; empty before that."""
    previous: Mapping[ModelName, int] = MappingProxyType({})
    """Which versions served before these."""
    trials: Mapping[ModelName, Trial] = MappingProxyType({})
    """Which versions are tried beside these."""
    epoch: int = 0
    """It grows with each change of what serves, of all networks."""
    life: str = ""
    """Of the dataset: see `Registry.life`."""

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

    def at_hand(
        self, model: ModelName | None, version: float | None, key: bytes | None = None
    ) -> Loaded | None:
        """The version that is asked for, if it is one of these.

        Args:
            key: By which it is decided whether one that is tried answers; it does not without.
        """
        default = self.default and self.default.loaded
        found = default if model is None else self.networks.get(model)
        if found is None or version not in (None, found.version):
            return None
        if key is not None and version is None and (trial := self.trials.get(found.model)):
            return trial.loaded if trial.takes(key) else found
        return found


NOTHING = Serving({}, None, ())


def look(registry: Registry, before: Serving) -> Serving:
    """What serves now; `before`, if nothing has changed.

    Where a network's versions are gone or damaged, what is loaded goes on to serve, unless the
    whole dataset has gone.
    """
    # Again, if it changed meanwhile: else a version would answer by the epoch of the next one.
    while (state := registry.state()) != before.state:
        before = _read(registry, before, state)
    return before


def _read(registry: Registry, before: Serving, state: tuple[object, ...]) -> Serving:
    life, is_gone = registry.life, registry.dataset != TRIPLES and not registry.is_there
    if before.life != life:  # it was deleted and made again
        before = NOTHING
    networks, previous, trials, epoch = {}, {}, {}, registry.first_epoch
    for name in MODEL_NAMES:
        loaded, number = before.networks.get(name), registry.serving(name)
        if number is not None:
            job_id = registry.metadata(name, number).job_id
            # A dataset that was deleted and made again counts its versions anew.
            if loaded is None or (loaded.version, loaded.job_id) != (number, job_id):
                if new := _load(registry, name, number):
                    logger.info("serving %s of %s", new, registry.dataset)
                loaded = new or _kept(registry, loaded)
        if loaded is not None and (number is not None or not is_gone):
            networks[name] = loaded
        change = registry.last_change(name)
        if change is None:
            continue
        epoch += change.epoch
        if change.previous not in (None, number):
            previous[name] = change.previous
        if trial := _trial(registry, name, change, before):
            trials[name] = trial
    default = _default(networks.values(), registry, before)
    return Serving(networks, default, state, previous, trials, epoch, life)


def _load(registry: Registry, name: ModelName, number: int) -> Loaded | None:
    """A version; nothing, where it is damaged."""
    try:
        return load(registry, name, number)
    except NotFound as error:
        logger.error("cannot serve of %s: %s", registry.dataset, error.detail)
        return None


def _kept(registry: Registry, loaded: Loaded | None) -> Loaded | None:
    """What is loaded, unless that is of a dataset which was deleted and made again."""
    if loaded is None:
        return None
    try:
        same = registry.metadata(loaded.model, loaded.version).job_id == loaded.job_id
    except NotFound:
        return None
    except Damaged:
        return loaded
    return loaded if same else None


def _default(networks: Collection[Loaded], registry: Registry, before: Serving) -> Default | None:
    """The version that answers by default; where one is damaged now, the same as before."""
    try:
        return choose(networks, registry)
    except NotFound as error:
        if before.default is not None and before.default.loaded in networks:
            return before.default
        return Default(next(iter(networks)), f"they cannot be compared: {error.detail}")


def _trial(registry: Registry, name: ModelName, change: Change, before: Serving) -> Trial | None:
    """What is tried of a network; nothing, where that version is gone or damaged."""
    if change.canary is None:
        return None
    number, known = change.canary.version, before.trials.get(name)
    try:
        job_id = registry.version(name, number).metadata.job_id
    except NotFound as error:
        logger.error("what is to be tried of %s cannot be: %s", registry.dataset, error.detail)
        return None
    loaded = known and known.loaded
    if loaded is None or (loaded.version, loaded.job_id) != (number, job_id):
        loaded = _load(registry, name, number)
        if loaded is None:
            return None
        logger.info("trying %s of %s", loaded, registry.dataset)
    return Trial(loaded, change.canary.percent, change.epoch)
