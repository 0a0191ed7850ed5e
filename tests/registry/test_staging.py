import os
import threading
from pathlib import Path

import pytest

from service import taken_folder
from service.file_lock import try_lock
from service.registry.staging import CANCELLED, Staging, Verdict
from service.registry.versions import Registry
from tests.registry.versions import JOB, OTHER_JOB


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    registry = Registry(tmp_path)
    registry.prepare()
    return registry.staging


def test_a_job_that_publishes_is_not_cancelled_any_more(staging: Staging) -> None:
    attempt = staging.begin(JOB)
    assert staging.decision(JOB) is None
    verdict = Verdict(attempt.folder.name)
    assert staging.publish(JOB, attempt) == verdict
    assert staging.cancel(JOB) == staging.decision(JOB) == verdict


def test_a_job_that_is_cancelled_does_not_publish(staging: Staging) -> None:
    attempt = staging.begin(JOB)
    assert staging.cancel(JOB) == CANCELLED
    assert staging.publish(JOB, attempt) == staging.decision(JOB) == CANCELLED


def test_of_many_decisions_at_once_one_stands(staging: Staging) -> None:
    attempts = [staging.begin(JOB) for _ in range(4)]
    barrier = threading.Barrier(8)
    results: list[Verdict] = []

    def decide(which: int) -> None:
        barrier.wait()
        results.append(staging.publish(JOB, attempts[which]) if which < 4 else staging.cancel(JOB))

    threads = [threading.Thread(target=decide, args=(which,)) for which in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert set(results) == {staging.decision(JOB)}


def test_of_many_who_claim_a_part_at_once_one_has_it(staging: Staging) -> None:
    barrier = threading.Barrier(8)
    owners: list[str] = []

    def claim(which: int) -> None:
        barrier.wait()
        owners.append(staging.claim_part(JOB, "dense-rows-1-42", f"helper {which}"))

    threads = [threading.Thread(target=claim, args=(which,)) for which in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(owners) == 8
    assert set(owners) == {staging.claim_part(JOB, "dense-rows-1-42", "another one")}


def test_a_job_that_has_not_started_can_be_cancelled(staging: Staging) -> None:
    assert staging.cancel(JOB) == CANCELLED
    assert staging.decision(JOB) == CANCELLED


def test_a_new_attempt_leaves_the_decision_and_who_lives_alone(staging: Staging) -> None:
    dead, alive, decided = (staging.begin(JOB) for _ in range(3))
    for attempt in (dead, alive, decided):
        (attempt.folder / "dense").mkdir()
    staging.publish(JOB, decided)
    os.close(dead.descriptor)
    os.close(decided.descriptor)
    new = staging.begin(JOB)
    assert staging.decision(JOB) == Verdict(decided.folder.name)
    kept = {"verdict", alive.folder.name, decided.folder.name, new.folder.name}
    assert {entry.name for entry in staging.folder(JOB).iterdir()} == kept
    assert staging.challenger(JOB, "dense") == decided.folder / "dense"


def test_an_attempt_that_decides_and_dies_as_another_begins_keeps_what_it_has_staged(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = staging.begin(JOB)
    (first.folder / "dense").mkdir()

    def decide_and_die_first(descriptor: int) -> bool:
        monkeypatch.undo()
        staging.publish(JOB, first)
        os.close(first.descriptor)
        return try_lock(descriptor)

    monkeypatch.setattr(taken_folder, "try_lock", decide_and_die_first)
    staging.begin(JOB)
    assert staging.challenger(JOB, "dense") == first.folder / "dense"


def test_an_attempt_at_a_job_that_has_ended_publishes_nothing(staging: Staging) -> None:
    zombie = staging.begin(JOB)
    staging.remove(JOB)
    with pytest.raises(FileNotFoundError):
        staging.publish(JOB, zombie)
    (zombie.folder / "dense").mkdir(parents=True)  # as an export would
    with pytest.raises(FileNotFoundError):
        staging.publish(JOB, zombie)
    assert staging.decision(JOB) is None


def test_a_decision_of_an_earlier_release_is_understood(staging: Staging) -> None:
    (staging.folder(JOB) / "dense").mkdir(parents=True)
    (staging.folder(JOB) / "verdict").symlink_to("publish")
    taken_folder.discard(staging.begin(JOB))
    challenger = staging.challenger(JOB, "dense")
    assert challenger is not None
    assert challenger.samefile(staging.folder(JOB) / "dense")
    assert staging.cancel(JOB) != CANCELLED


def test_jobs_are_kept_apart_and_forgotten_one_by_one(staging: Staging) -> None:
    staging.begin(JOB)
    staging.begin(OTHER_JOB)
    assert sorted(staging.jobs()) == [JOB, OTHER_JOB]
    staging.remove(JOB)
    assert staging.jobs() == [OTHER_JOB]


@pytest.mark.parametrize("job_id", ["..", "", "/", "not-a-uuid"])
def test_no_folder_outside_is_reached(staging: Staging, job_id: str) -> None:
    with pytest.raises(ValueError, match="UUID"):
        staging.folder(job_id)
