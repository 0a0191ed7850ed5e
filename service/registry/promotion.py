"""Which version serves: a job's version takes over, or one is promoted by hand.

A decision is made about what serves at one moment, and holds only if that serves still. In the
folder nobody else decides meanwhile; elsewhere it is decided anew.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from models.config import MODEL_NAMES, ModelName
from service.errors import Invalid
from service.registry.manifest import METADATA
from service.registry.versions import Out, Registry
from service.schemas import Canary, Change, Metadata, Version

LOCK_SECONDS = 5.0
"""How long a promotion by hand waits for a job that is just being judged."""


class Judgement(NamedTuple):
    """Whether a challenger takes over, and why or why not."""

    takes_over: bool
    reason: str


Judge = Callable[[Metadata, Path, int | None], Judgement]
"""Asked with a challenger, its folder, and the number of the champion: what serves, if any."""


def publish(registry: Registry, job_id: str, judge: Judge) -> dict[ModelName, int]:
    """Publishes what a job has staged and sealed; returns all of the job's versions.

    Each takes over from the serving version if `judge` says so of what serves at that moment. To
    be called once the decision is to publish; and again if a call was cut short: the next one
    goes on where it stopped.

    Raises:
        Gone: The dataset was removed meanwhile.
    """
    registry.make_folders()
    for name in MODEL_NAMES:
        with registry.deciding(name, math.inf):
            if out := registry.out(name, job_id):
                _take_up(registry, name, out, judge)
            elif staged := registry.staging.challenger(job_id, name):
                _publish(registry, name, staged, judge)
    return registry.published(job_id)


def _publish(registry: Registry, name: ModelName, staged: Path, judge: Judge) -> None:
    stand = registry.stand(name)
    challenger = Metadata.model_validate_json((staged / METADATA).read_bytes())
    judgement = judge(challenger, staged, stand.champion)
    refused = None if judgement.takes_over else judgement.reason
    out = registry.add(name, staged, challenger.model_copy(update={"refused": refused}))
    change = None
    if out.metadata.refused is None:
        change = _change(out.number, stand.champion, judgement.reason, challenger.job_id)
    # If another attempt was faster, what came after it may serve by now.
    if not out.is_new or not registry.point(name, stand, out.number, change):
        _take_up(registry, name, out, judge)


def _take_up(registry: Registry, name: ModelName, out: Out, judge: Judge) -> None:
    """Goes on where a version is out, and may not serve yet."""
    number, challenger, _ = out
    while True:
        stand, change = registry.stand(name), None
        registry.require(name, out)
        if challenger.refused is None:
            if any(each.version == number for each in registry.changes(name)):
                return
            # In the folder it may be the champion already: as the newest, without a pointer.
            champion = None if stand.champion == number else stand.champion
            judgement = judge(challenger, registry.folder(name, number), champion)
            if judgement.takes_over:
                change = _change(number, champion, judgement.reason, challenger.job_id)
        if registry.point(name, stand, number, change):
            return


def promote(
    registry: Registry,
    name: ModelName,
    number: int,
    key: str | None = None,
    canary: Canary | None = None,
) -> Version:
    """Makes a version the serving one, whether it is newer or older than the one before.

    Args:
        key: The name of the key of whoever asks for it.
        canary: What is tried beside it; what was tried before ends.

    Raises:
        NotFound: There is no such version, or it is damaged; or no such canary.
        Invalid: The canary is the version itself.
        Unavailable: Another process has been deciding for too long.
    """
    tried = [] if canary is None else [canary.version]
    for each in (number, *tried):
        registry.version(name, each)
    if number in tried:
        raise Invalid("canary.version: it is the version that is to serve")
    with registry.deciding(name, LOCK_SECONDS):
        while True:
            stand, last = registry.stand(name), registry.last_change(name)
            for each in (number, *tried):  # again: the dataset may have been made anew meanwhile
                registry.version(name, each)
            if last is not None and last.version == number:  # what is tried beside it may change
                previous, reason = last.previous, "what was tried was ended by hand"
            else:
                previous = stand.champion
                back = previous is not None and number < previous
                reason = "rolled back by hand" if back else "promoted by hand"
            if canary is not None:
                reason = f"version {canary.version} is tried on {canary.percent:g}% by hand"
            change = _change(number, previous, reason, key=key, canary=canary)
            if registry.point(name, stand, number, change):
                return registry.version(name, number)


def _change(
    number: int,
    champion: int | None,
    reason: str,
    job_id: str | None = None,
    key: str | None = None,
    canary: Canary | None = None,
) -> Change:
    return Change(
        changed_at=datetime.now(UTC),
        previous=champion,
        version=number,
        canary=canary,
        job_id=job_id,
        key=key,
        reason=reason,
    )
