"""Each invariant is seen to be broken by a log of what must not happen."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults.invariants import Round
from tests.faults.invariants_of_tables import every_revision_is_whole
from tests.faults.ledger import Ledger, Revision
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
from tests.machines.invariants import INVARIANTS, a_dead_workers_job_runs_elsewhere_soon
from tests.store.machines import in_memory, keys, machine
from tests.tables.revisions import publish


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


def of_table(asked_at: float, epoch: int, version: int, **more: Any) -> Answered:
    return replace(answered(asked_at, epoch, version, **more), dataset="flats")


def told_of_none(asked_at: float, knew: int) -> Answered:
    return Answered("carrier", asked_at, asked_at, 404, '{"detail": …}', 0, knew, dataset="flats")


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
    *(Made("flats", after) for after in (0, 6)),
    Deleted("flats", 2.0),
    *(Predicts("cross", 1, told, "flats", after) for after, told in ((0, 0.2), (6, 0.3))),
    of_table(1.0, 1, 1, prediction=0.2),
    told_of_none(1.1, 0),
    of_table(2.1, 1, 1, prediction=0.2),  # its epochs are its own
    of_table(2.1, 2, 2, knew=1, prediction=0.4),  # deleted before anybody looked at it
    told_of_none(2.2, 2),
    of_table(2.3, 7, 1, knew=2, prediction=0.3),
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
        (of_table(3.0, 7, 1, knew=8, prediction=0.3), "who_carries_the_epoch_never_goes_back"),
        (of_table(3.0, 2, 1, prediction=0.2), "an_epoch_is_one_state"),
        (of_table(3.0, 7, 1, prediction=0.2), "every_answer_is_the_versions_own"),
        (of_table(3.0, 2, 2, prediction=0.5), "every_answer_is_the_versions_own"),
        (of_table(3.0, 8, 2), "every_answer_is_the_versions_own"),
        (of_table(3.0, 6, 2, prediction=0.4), "every_answer_is_the_versions_own"),
        *(
            (none, "who_knows_an_epoch_is_told_of_nothing_only_once_that_is_deleted")
            for none in (told_of_none(1.9, 1), told_of_none(3.0, 7))
        ),
        (Died("two", at=23.0), "a_dead_workers_job_runs_elsewhere_soon"),
    ],
)
def test_what_must_not_happen_is_found(more: Event, which: str) -> None:
    assert broken([*KEPT, more]) == {which}


def test_a_revision_of_which_the_store_has_lost_the_rows_is_found(tmp_path: Path) -> None:
    objects, ledger = in_memory(), Ledger(tmp_path)
    ledger.tables = stored = machine(tmp_path, objects).tables
    publish(stored, "flats")
    ledger.revisions = [Revision("flats", 1, "any")]
    round_ = Round(ledger, [], [], 0.0, spares_the_api=True, may_fail_jobs=False)
    assert list(every_revision_is_whole(round_)) == []
    shutil.rmtree(tmp_path / ".store" / "tables")
    objects.delete([key for key in keys(objects) if key.endswith(".parquet")])
    assert any(every_revision_is_whole(round_))


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
