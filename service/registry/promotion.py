"""Which version serves: a job's version takes over, or one is promoted by hand.

Whoever changes it holds the lock of the model, a `flock` on its folder; nothing else changes then.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from models.config import MODEL_NAMES, ModelName
from service.errors import RETRY_LATER, Invalid, Unavailable
from service.file_lock import Locked, locked
from service.registry import history
from service.registry.manifest import METADATA, seal, sync
from service.registry.versions import Registry
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

    Each takes over from the serving version if `judge` says so; nothing else can change what
    serves in between. To be called once the decision is to publish; and again if a call was
    cut short: the next one goes on where it stopped.
    """
    for name in MODEL_NAMES:
        with _locked(registry, name):
            staged = registry.staging.folder(job_id) / name
            if staged.exists():
                _publish(registry, name, staged, judge)
            else:
                _take_up(registry, name, job_id, judge)
    return registry.published(job_id)


def _publish(registry: Registry, name: ModelName, staged: Path, judge: Judge) -> None:
    champion = registry.serving(name)
    challenger = Metadata.model_validate_json((staged / METADATA).read_bytes())
    judgement = judge(challenger, staged, champion)
    refused = None if judgement.takes_over else judgement.reason
    seal(staged, challenger.model_copy(update={"refused": refused}))
    number = max(registry.numbers(name), default=0) + 1
    staged.rename(registry.folder(name, number))
    sync(registry.root / name)
    if judgement.takes_over:
        _point(registry, name, number, champion, judgement.reason, challenger.job_id)


def _take_up(registry: Registry, name: ModelName, job_id: str, judge: Judge) -> None:
    """Goes on after a call that was cut short: a version is out, and may not serve yet."""
    number = next((n for n, about in registry.whole(name) if about.job_id == job_id), None)
    if number is None or any(
        change.version == number for change in history.changes(registry.root / name)
    ):
        return
    challenger, champion = registry.metadata(name, number), registry.serving(name)
    champion = None if champion == number else champion  # as the newest, without a pointer
    if challenger.refused is None:
        judgement = judge(challenger, registry.folder(name, number), champion)
        if judgement.takes_over:
            _point(registry, name, number, champion, judgement.reason, job_id)


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
    registry.version(name, number)
    if canary is not None:
        registry.version(name, canary.version)
        if canary.version == number:
            raise Invalid("canary.version: it is the version that is to serve")
    with _locked(registry, name, LOCK_SECONDS):
        last = history.last_change(registry.root / name)
        if last is not None and (last.version, last.canary) == (number, canary):
            history.record(registry.root / name, last)  # no change, but a damaged pointer is mended
        else:
            champion = registry.serving(name)
            reason = _reason(number, champion, canary)
            _point(registry, name, number, champion, reason, key=key, canary=canary)
    return registry.version(name, number)


def _reason(number: int, champion: int | None, canary: Canary | None) -> str:
    """What was done by hand, in words."""
    if canary is not None:
        return f"version {canary.version} is tried on {canary.percent:g}% by hand"
    if number == champion:
        return "what was tried was ended by hand"
    back = champion is not None and number < champion
    return "rolled back by hand" if back else "promoted by hand"


def _point(
    registry: Registry,
    name: ModelName,
    number: int,
    champion: int | None,
    reason: str,
    job_id: str | None = None,
    key: str | None = None,
    canary: Canary | None = None,
) -> None:
    last = history.last_change(registry.root / name)
    if last is not None and last.version == number:
        champion = last.previous  # what is tried beside it changes, and nothing else
    change = Change(
        changed_at=datetime.now(UTC),
        previous=champion,
        version=number,
        canary=canary,
        epoch=last.epoch + 1 if last else 1,
        job_id=job_id,
        key=key,
        reason=reason,
    )
    history.record(registry.root / name, change)


@contextmanager
def _locked(registry: Registry, name: ModelName, seconds: float = math.inf) -> Iterator[None]:
    """Lets one process at a time decide which version of a model serves."""
    (registry.root / name).mkdir(parents=True, exist_ok=True)
    try:
        with locked(registry.root / name, seconds):
            yield
    except Locked:
        raise Unavailable("what serves is being changed just now", RETRY_LATER, "busy") from None
