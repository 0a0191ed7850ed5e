import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service import file_lock
from service.errors import Invalid, NotFound, Unavailable
from service.file_lock import try_lock
from service.registry import promotion
from service.registry.manifest import METADATA, write_whole
from service.registry.promotion import Judgement
from service.registry.versions import Gone, Registry
from service.schemas import Canary, Metadata
from service.tables.store import Tables
from tests.predict import tables
from tests.registry.versions import JOB, OTHER_JOB, as_told, fill, metadata, publish, stage


def test_a_version_that_was_refused_can_be_promoted_by_hand(registry: Registry) -> None:
    publish(registry, metadata(refused="no better than the mean"))
    promotion.promote(registry, "cross", 1)
    assert registry.serving("cross") == 1


def test_a_roll_back_holds_until_the_next_version(registry: Registry) -> None:
    publish(registry, metadata(job_id=JOB))
    publish(registry, metadata(job_id=OTHER_JOB))
    promotion.promote(registry, "cross", 1)
    assert Registry(registry.artifacts).serving("cross") == 1
    publish(registry, metadata(job_id=JOB.replace("1", "3")))
    assert registry.serving("cross") == 3


def test_publishing_goes_on_where_it_was_cut_short(registry: Registry) -> None:
    attempt = registry.staging.begin(JOB)
    for name in ("dense", "cross"):
        fill(attempt.folder / name, metadata(name))
    registry.staging.publish(JOB, attempt)
    # Half-way: one of the two is out, and neither serves.
    (attempt.folder / "dense").rename(registry.folder("dense", 1))
    assert promotion.publish(registry, JOB, as_told) == {"dense": 1, "cross": 1}
    assert promotion.publish(registry, JOB, as_told) == {"dense": 1, "cross": 1}
    assert registry.serving("dense") == registry.serving("cross") == 1


def test_the_judge_is_asked_about_what_serves_and_its_reason_is_kept(registry: Registry) -> None:
    publish(registry, metadata(job_id=JOB))
    asked: list[tuple[str, int | None]] = []

    def refuse(challenger: Metadata, folder: Path, champion: int | None) -> Judgement:
        asked.append((challenger.job_id, champion))
        return Judgement(False, f"worse than {champion}")

    stage(registry, metadata(job_id=OTHER_JOB))
    assert promotion.publish(registry, OTHER_JOB, refuse) == {"cross": 2}
    assert asked == [(OTHER_JOB, 1)]
    assert registry.serving("cross") == 1
    assert registry.version("cross", 2).metadata.refused == "worse than 1"
    assert [change.version for change in registry.changes("cross", 10)] == [1]


def test_each_change_of_what_serves_says_who_made_it(registry: Registry) -> None:
    publish(registry, metadata(job_id=JOB))
    publish(registry, metadata(job_id=OTHER_JOB))
    promotion.promote(registry, "cross", 1, "ops")
    promotion.promote(registry, "cross", 1)  # changes nothing
    promotion.promote(registry, "cross", 2)
    seen = [
        (change.previous, change.version, change.job_id, change.key, change.reason)
        for change in Registry(registry.artifacts).changes("cross", 10)
    ]
    assert seen == [
        (1, 2, None, None, "promoted by hand"),
        (2, 1, None, "ops", "rolled back by hand"),
        (1, 2, OTHER_JOB, None, "better than 1"),
        (None, 1, JOB, None, "better than None"),
    ]


def test_a_version_that_is_out_takes_over_when_its_job_goes_on(registry: Registry) -> None:
    publish(registry, metadata(job_id=JOB))
    fill(registry.folder("cross", 2), metadata(job_id=OTHER_JOB))  # died before it took over
    assert registry.serving("cross") == 1
    assert promotion.publish(registry, OTHER_JOB, as_told) == {"cross": 2}
    assert registry.serving("cross") == 2
    (change, _) = registry.changes("cross", 10)
    assert (change.previous, change.job_id) == (1, OTHER_JOB)


def test_a_job_that_goes_on_does_not_undo_a_roll_back(registry: Registry) -> None:
    publish(registry, metadata(job_id=JOB))
    publish(registry, metadata(job_id=OTHER_JOB))
    promotion.promote(registry, "cross", 1)
    promotion.publish(registry, OTHER_JOB, as_told)
    assert registry.serving("cross") == 1


def test_a_job_that_died_while_it_sealed_goes_on(registry: Registry) -> None:
    stage(registry, metadata())
    staged = registry.staging.challenger(JOB, "cross")
    assert staged is not None
    changed = metadata().model_copy(update={"refused": "half-way"})
    write_whole(staged / METADATA, changed.model_dump_json())  # and the manifest is the old one
    (staged / METADATA).with_name(".metadata.json.new").write_text("{")

    def judge(challenger: Metadata, folder: Path, champion: int | None) -> Judgement:
        assert (folder / METADATA).exists()
        return Judgement(True, "better")

    promotion.publish(registry, JOB, judge)
    assert registry.version("cross", 1).metadata == metadata()
    assert registry.serving("cross") == 1


def test_a_promotion_does_not_wait_for_ever_for_who_is_deciding(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(registry, metadata(job_id=JOB))
    publish(registry, metadata(job_id=OTHER_JOB))
    monkeypatch.setattr("service.registry.promotion.LOCK_SECONDS", 0.1)
    with registry.deciding("cross", 1), pytest.raises(Unavailable, match="being changed"):
        promotion.promote(Registry(registry.artifacts), "cross", 1)
    assert promotion.promote(registry, "cross", 1).serving


def test_jobs_that_publish_at_once_take_different_numbers(registry: Registry) -> None:
    jobs = [JOB.replace("1", digit) for digit in "3456789"]
    for job in jobs:
        stage(registry, metadata(job_id=job))
    threads = [
        threading.Thread(
            target=promotion.publish, args=(Registry(registry.artifacts), job, as_told)
        )
        for job in jobs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert registry.numbers("cross") == [7, 6, 5, 4, 3, 2, 1]
    assert {version.metadata.job_id for version in registry.versions("cross")} == set(jobs)
    assert registry.serving("cross") == 7


def test_a_folder_in_the_place_of_the_pointer_is_a_damaged_pointer(registry: Registry) -> None:
    publish(registry, metadata())
    pointer = registry.root / "cross" / "serving.json"
    pointer.unlink()
    pointer.mkdir()
    assert registry.serving("cross") == 1
    with pytest.raises(IsADirectoryError):
        promotion.promote(registry, "cross", 1)
    pointer.rmdir()
    promotion.promote(registry, "cross", 1)
    assert pointer.is_file()
    assert len(registry.changes("cross", 10)) == 1


def test_each_change_has_the_next_epoch(registry: Registry) -> None:
    publish(registry, metadata(job_id=JOB))
    publish(registry, metadata(job_id=OTHER_JOB))
    promotion.promote(registry, "cross", 1)
    promotion.promote(registry, "cross", 1)  # changes nothing
    assert [change.epoch for change in registry.changes("cross", 10)] == [3, 2, 1]


def test_a_version_is_tried_until_the_next_change_and_what_served_before_stays_known(
    registry: Registry,
) -> None:
    publish(registry, metadata(job_id=JOB))
    publish(registry, metadata(job_id=OTHER_JOB))
    canary = Canary(version=1, percent=5)
    promotion.promote(registry, "cross", 2, canary=canary)
    promotion.promote(registry, "cross", 2, canary=canary)  # changes nothing
    promotion.promote(registry, "cross", 2)
    promotion.promote(registry, "cross", 1)
    told = [
        (change.previous, change.version, change.canary, change.reason)
        for change in registry.changes("cross", 3)
    ]
    assert told == [
        (2, 1, None, "rolled back by hand"),
        (1, 2, None, "what was tried was ended by hand"),
        (1, 2, canary, "version 1 is tried on 5% by hand"),
    ]


def test_a_version_is_not_tried_beside_itself_and_must_be_there(registry: Registry) -> None:
    publish(registry, metadata(job_id=JOB))
    with pytest.raises(Invalid, match=r"canary\.version"):
        promotion.promote(registry, "cross", 1, canary=Canary(version=1, percent=5))
    with pytest.raises(NotFound, match="version 2"):
        promotion.promote(registry, "cross", 1, canary=Canary(version=2, percent=5))


@pytest.mark.parametrize("moment", ["deciding", "stand", "point"])
def test_a_promotion_leaves_nothing_of_a_dataset_that_is_removed_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    houses = tables.publish(tmp_path)
    monkeypatch.setattr(Registry, moment, after_removal(getattr(Registry, moment)))
    with pytest.raises(NotFound):
        promotion.promote(houses, "dense", 1)
    assert not houses.is_there


def after_removal(do: Callable[..., Any]) -> Callable[..., Any]:
    """As another process removes the dataset just before."""

    def late(registry: Registry, *arguments: Any) -> Any:
        Tables(registry.artifacts).remove(registry.dataset)
        return do(registry, *arguments)

    return late


def test_a_promotion_that_waited_promotes_no_version_of_a_dataset_that_was_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    houses = tables.publish(tmp_path)

    def anew(descriptor: int) -> bool:
        monkeypatch.undo()
        Tables(tmp_path).remove("houses")
        tables.publish(tmp_path)
        return try_lock(descriptor)

    monkeypatch.setattr(file_lock, "try_lock", anew)
    with pytest.raises(Gone):
        promotion.promote(houses, "dense", 1)
    assert houses.changes("dense") == []


def test_a_job_leaves_nothing_of_a_dataset_that_is_removed_as_it_publishes(tmp_path: Path) -> None:
    houses = tables.publish(tmp_path)

    def judge(*challenge: object) -> Judgement:
        Tables(tmp_path).remove("houses")
        return Judgement(True, "better")

    stage(houses, metadata(job_id=OTHER_JOB))
    with pytest.raises(Gone):
        promotion.publish(houses, OTHER_JOB, judge)
    assert not houses.is_there


def test_a_job_whose_staged_files_are_gone_does_not_take_its_dataset_for_removed(
    registry: Registry,
) -> None:
    stage(registry, metadata())

    def judge(challenger: Metadata, folder: Path, champion: int | None) -> Judgement:
        registry.staging.remove(JOB)
        return Judgement(True, "better")

    with pytest.raises(FileNotFoundError):
        promotion.publish(registry, JOB, judge)
