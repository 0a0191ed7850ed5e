"""Each invariant is seen to be broken by a log of what must not happen."""

import pytest

from tests.machines.events import Answered, AskedDirectly, Died, Event, Predicts, Promoted, Seen
from tests.machines.invariants import INVARIANTS, a_dead_workers_job_runs_elsewhere_soon


def answered(
    asked_at: float,
    epoch: int,
    version: int,
    *,
    knew: int = 0,
    may_be_old: bool = False,
    prediction: float = 0.1,
) -> Answered:
    body = {"model": "cross", "version": version, "predictions": [prediction]}
    return Answered("carrier", asked_at, asked_at + 0.1, 200, body, epoch, knew, may_be_old)


KEPT: list[Event] = [
    *(Predicts("cross", version, 0.1) for version in (1, 2)),
    Seen(0.0, "job", "PENDING", "one"),
    answered(1.0, 1, 1),
    Promoted(answered_at=2.0, epoch=2),
    answered(1.9, 1, 1, knew=1),  # it asked before
    answered(2.1, 1, 1, may_be_old=True),
    answered(2.2, 2, 2, knew=2),
    AskedDirectly(2.3, ready=False, epoch=1),
    AskedDirectly(2.3, ready=True, epoch=2),
    Died("one", at=3.0),
    Seen(9.0, "job", "ENQUEUED", "one"),
    Seen(22.9, "job", "PENDING", "two"),
]
"""A log of what may happen."""


def broken(events: list[Event]) -> set[str]:
    every = [*INVARIANTS, a_dead_workers_job_runs_elsewhere_soon]
    return {invariant.__name__ for invariant in every if list(invariant(events))}


def test_what_may_happen_breaks_nothing() -> None:
    assert broken(KEPT) == set()


@pytest.mark.parametrize(
    ("more", "which"),
    [
        (answered(3.0, 2, 2, knew=3), "who_carries_the_epoch_never_goes_back"),
        (answered(3.0, 2, 1), "an_epoch_is_one_state"),
        (answered(3.0, 2, 2, prediction=0.1000001), "every_answer_is_the_versions_own"),
        (answered(3.0, 3, 3), "every_answer_is_the_versions_own"),
        (
            answered(3.0, 1, 1),
            "after_a_promotion_that_waited_nobody_answers_by_an_older_state",
        ),
        (
            AskedDirectly(3.0, ready=True, epoch=1),
            "after_a_promotion_that_waited_nobody_answers_by_an_older_state",
        ),
        (Died("two", at=23.0), "a_dead_workers_job_runs_elsewhere_soon"),
    ],
)
def test_what_must_not_happen_is_found(more: Event, which: str) -> None:
    assert broken([*KEPT, more]) == {which}


LATE = {"a_dead_workers_job_runs_elsewhere_soon"}


def test_a_job_that_is_taken_over_late_is_found() -> None:
    late = Seen(23.1, "job", "PENDING", "two")
    assert broken([*KEPT[:-1], late]) == LATE


def test_it_is_late_only_once_another_worker_is_free() -> None:
    busy = [Seen(9.5, "of two", "PENDING", "two"), Seen(30.0, "of two", "SUCCESS", "two")]
    for at, found in ((30.9, set()), (31.1, LATE)):
        assert broken([*KEPT[:-1], *busy, Seen(at, "job", "PENDING", "two")]) == found
    third = Died("one", at=3.0, others=2)
    events = [third if isinstance(each, Died) else each for each in KEPT[:-1]]
    assert broken([*events, *busy, Seen(30.5, "job", "PENDING", "three")]) == LATE
