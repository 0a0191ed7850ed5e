"""What must hold of a fleet: each function yields how the events break it.

What must hold of jobs and versions is in tests/faults/invariants.py.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import NamedTuple, TypeVar

import numpy as np

from models.schema import TRIPLES
from tests.machines.events import (
    Answered,
    AskedDirectly,
    Deleted,
    Died,
    Event,
    Made,
    Predicts,
    Promoted,
    Seen,
)

RESCUE_SECONDS = 20.0

TAKING_SECONDS = 1.0
"""Who becomes free has taken the next job by then."""

T = TypeVar("T")

Invariant = Callable[[Sequence[Event]], Iterator[str]]


def who_carries_the_epoch_never_goes_back(events: Sequence[Event]) -> Iterator[str]:
    """An answer is never older than what the client knew of."""
    for answer in _of(Answered, events):
        if answer.client == "carrier" and answer.status == 200 and answer.epoch < answer.knew:
            yield f"who knew epoch {answer.knew} was answered by {answer.epoch}"


def an_epoch_is_one_state(events: Sequence[Event]) -> Iterator[str]:
    """All who answer by the same epoch answer with the same version of a network."""
    versions: dict[tuple[str, int, str], set[int]] = defaultdict(set)
    for answer in _of(Answered, events):
        if answer.status == 200:
            network = answer.dataset, answer.epoch, answer.body["model"]
            versions[network].add(answer.body["version"])
    for (dataset, epoch, model), found in versions.items():
        if len(found) > 1:
            yield f"in epoch {epoch} of {dataset}/{model}, {sorted(found)} answered"


def every_answer_is_the_versions_own(events: Sequence[Event]) -> Iterator[str]:
    """Predictions are those of the version that they name, in every bit.

    Of a deleted dataset there may be versions that nobody could look at in time: all answers by
    one of them are the same.
    """
    right = {
        (each.dataset, each.after, each.model, each.version): np.float32(each.prediction)
        for each in _of(Predicts, events)
    }
    lives = _lives(events)
    for answer in _of(Answered, events):
        if answer.status == 200:
            told = np.float32(answer.body["predictions"][0])
            life = _life(lives[answer.dataset], answer.epoch)
            key = answer.dataset, life.after, answer.body["model"], answer.body["version"]
            if life.deleted_at < math.inf:
                right.setdefault(key, told)
            if told != (expected := right.get(key)):
                yield f"{answer.body} instead of {expected}"


def who_knows_an_epoch_is_told_of_nothing_only_once_that_is_deleted(
    events: Sequence[Event],
) -> Iterator[str]:
    """Where something has served there is a dataset, and something serves, until it is deleted."""
    lives = _lives(events)
    for answer in _of(Answered, events):
        if answer.client == "carrier" and answer.knew and answer.is_of_nothing:
            life = _life(lives[answer.dataset], answer.knew)
            if answer.answered_at < life.deleted_at:
                yield f"who knew epoch {answer.knew} was told of none: {answer.body}"


def after_a_promotion_that_waited_nobody_answers_by_an_older_state(
    events: Sequence[Event],
) -> Iterator[str]:
    """Nobody who asks through the balancer, unless it warns; nor an API that says it is ready."""
    for promoted in _of(Promoted, events):
        for answer in _of(Answered, events):
            if (
                answer.status == 200
                and answer.dataset == TRIPLES
                and answer.asked_at >= promoted.answered_at
                and answer.epoch < promoted.epoch
                and not answer.may_be_old
            ):
                late = answer.asked_at - promoted.answered_at
                yield f"{late:.2f} s after epoch {promoted.epoch} came {answer.epoch}"
        for asked in _of(AskedDirectly, events):
            if (
                asked.ready
                and asked.asked_at >= promoted.answered_at
                and asked.epoch < promoted.epoch
            ):
                yield f"a ready API answered by {asked.epoch} after {promoted.epoch}"


def a_dead_workers_job_runs_elsewhere_soon(events: Sequence[Event]) -> Iterator[str]:
    """Within 20 seconds, and what else the round costs; or as soon as another worker is free."""
    for seconds, limit, job_id in takeovers(events):
        if seconds is None or seconds > limit:
            yield f"job {job_id} ran elsewhere after {seconds} s, not {limit:.1f}"


def takeovers(events: Sequence[Event]) -> Iterator[tuple[float | None, float, str]]:
    """The jobs of dead workers: after how many seconds others had them, and the limit."""
    seen = list(_of(Seen, events))
    for died in _of(Died, events):
        last = {each.job_id: each for each in seen if each.at <= died.at}
        for job_id, before in last.items():
            if (before.status, before.worker) == ("PENDING", died.worker):
                later = [each for each in seen if each.job_id == job_id and each.at > died.at]
                taken = [each.at - died.at for each in later if _has_left(each, died.worker)]
                limit = RESCUE_SECONDS + died.more_seconds
                waited = _somebody_is_free(seen, died, died.at + limit) - died.at
                if waited > limit:
                    limit = waited + TAKING_SECONDS
                yield min(taken, default=None), limit, job_id


def _somebody_is_free(seen: Sequence[Seen], died: Died, after: float) -> float:
    """The first moment from then on when fewer others have a job than there are.

    While the store is away, no job ends.
    """

    def busy(at: float) -> int:
        last = {each.job_id: each for each in seen if each.at <= at}
        running = {each.worker for each in last.values() if each.status == "PENDING"}
        return len(running - {died.worker})

    moments = [after, *(each.at for each in seen if each.at > after)]
    return min((at for at in moments if busy(at) < died.others), default=math.inf)


def _has_left(seen: Seen, worker: str) -> bool:
    """Whether another worker runs the job, or it has ended."""
    return seen.status != "ENQUEUED" and (seen.status != "PENDING" or seen.worker != worker)


class _Life(NamedTuple):
    """Of a dataset: the epochs after one, until it is deleted."""

    after: int = 0
    deleted_at: float = math.inf


def _lives(events: Sequence[Event]) -> dict[str, list[_Life]]:
    """Of each dataset, one after the other; each but the last one was deleted."""
    lives: dict[str, list[_Life]] = defaultdict(lambda: [_Life()])
    for dataset in {each.dataset for each in _of(Made, events)}:
        made = sorted({each.after for each in _of(Made, events) if each.dataset == dataset})
        deleted = sorted({each.at for each in _of(Deleted, events) if each.dataset == dataset})
        ends = chain(deleted, repeat(math.inf))
        lives[dataset] = [_Life(*each) for each in zip(made, ends, strict=False)]
    return lives


def _life(lives: list[_Life], epoch: int) -> _Life:
    """Of which an epoch is; by the first one of a life nobody can answer."""
    return max([each for each in lives if each.after <= epoch], default=lives[0])


def _of(kind: type[T], events: Iterable[object]) -> Iterator[T]:
    return (event for event in events if isinstance(event, kind))


INVARIANTS: list[Invariant] = [
    who_carries_the_epoch_never_goes_back,
    an_epoch_is_one_state,
    every_answer_is_the_versions_own,
    who_knows_an_epoch_is_told_of_nothing_only_once_that_is_deleted,
    after_a_promotion_that_waited_nobody_answers_by_an_older_state,
]
"""All but `a_dead_workers_job_runs_elsewhere_soon`, which holds where nothing else runs beside."""
