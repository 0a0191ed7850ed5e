import logging
import shutil
import threading
from pathlib import Path

import pytest

from service.errors import NotFound
from service.registry.manifest import METADATA, write_whole
from service.registry.versions import Judgement, Registry
from service.schemas import Metadata
from tests.registry.versions import JOB, OTHER_JOB, as_told, fill, metadata, publish, stage


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = Registry(tmp_path)
    made.prepare()
    return made


def test_versions_are_numbered_from_one(registry: Registry) -> None:
    assert publish(registry, metadata(job_id=JOB)) == 1
    assert publish(registry, metadata(job_id=OTHER_JOB)) == 2
    assert [version.version for version in registry.versions("cross")] == [2, 1]
    assert list(registry.versions("dense")) == []


def test_the_newest_version_that_passed_serves(registry: Registry) -> None:
    publish(registry, metadata(job_id=JOB))
    publish(registry, metadata(job_id=OTHER_JOB, refused="no better than the mean"))
    assert registry.serving("cross") == 1
    assert not registry.version("cross", 2).serving


def test_a_first_version_that_was_refused_does_not_serve(registry: Registry) -> None:
    publish(registry, metadata(refused="no better than the mean"))
    assert registry.serving("cross") is None


def test_a_version_that_was_refused_can_be_promoted_by_hand(registry: Registry) -> None:
    publish(registry, metadata(refused="no better than the mean"))
    registry.promote("cross", 1)
    assert registry.serving("cross") == 1


def test_a_roll_back_holds_until_the_next_version(registry: Registry) -> None:
    publish(registry, metadata(job_id=JOB))
    publish(registry, metadata(job_id=OTHER_JOB))
    registry.promote("cross", 1)
    assert Registry(registry.root).serving("cross") == 1
    publish(registry, metadata(job_id=JOB.replace("1", "3")))
    assert registry.serving("cross") == 3


def test_publishing_goes_on_where_it_was_cut_short(registry: Registry) -> None:
    for name in ("dense", "cross"):
        fill(registry.staging.folder(JOB) / name, metadata(name))
    # Half-way: one of the two is out, and neither serves.
    (registry.staging.folder(JOB) / "dense").rename(registry.folder("dense", 1))
    assert registry.publish(JOB, as_told) == {"dense": 1, "cross": 1}
    assert registry.publish(JOB, as_told) == {"dense": 1, "cross": 1}
    assert registry.serving("dense") == registry.serving("cross") == 1


def test_the_judge_is_asked_about_what_serves_and_its_reason_is_kept(registry: Registry) -> None:
    publish(registry, metadata(job_id=JOB))
    asked: list[tuple[str, int | None]] = []

    def refuse(challenger: Metadata, champion: int | None) -> Judgement:
        asked.append((challenger.job_id, champion))
        return Judgement(False, f"worse than {champion}")

    stage(registry, metadata(job_id=OTHER_JOB))
    assert registry.publish(OTHER_JOB, refuse) == {"cross": 2}
    assert asked == [(OTHER_JOB, 1)]
    assert registry.serving("cross") == 1
    assert registry.version("cross", 2).metadata.refused == "worse than 1"
    assert [change.version for change in registry.changes("cross", 10)] == [1]


def test_each_change_of_what_serves_says_who_made_it(registry: Registry) -> None:
    publish(registry, metadata(job_id=JOB))
    publish(registry, metadata(job_id=OTHER_JOB))
    registry.promote("cross", 1, "ops")
    registry.promote("cross", 1)  # changes nothing
    registry.promote("cross", 2)
    seen = [
        (change.previous, change.version, change.job_id, change.key, change.reason)
        for change in Registry(registry.root).changes("cross", 10)
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
    assert registry.publish(OTHER_JOB, as_told) == {"cross": 2}
    assert registry.serving("cross") == 2
    (change, _) = registry.changes("cross", 10)
    assert (change.previous, change.job_id) == (1, OTHER_JOB)


def test_a_job_that_goes_on_does_not_undo_a_roll_back(registry: Registry) -> None:
    publish(registry, metadata(job_id=JOB))
    publish(registry, metadata(job_id=OTHER_JOB))
    registry.promote("cross", 1)
    registry.publish(OTHER_JOB, as_told)
    assert registry.serving("cross") == 1


def test_a_job_that_died_while_it_sealed_goes_on(registry: Registry) -> None:
    stage(registry, metadata())
    staged = registry.staging.folder(JOB) / "cross"
    changed = metadata().model_copy(update={"refused": "half-way"})
    write_whole(staged / METADATA, changed.model_dump_json())  # and the manifest is the old one
    (staged / METADATA).with_name(".metadata.json.new").write_text("{")

    def judge(challenger: Metadata, champion: int | None) -> Judgement:
        return Judgement(True, "better")

    registry.publish(JOB, judge)
    assert registry.version("cross", 1).metadata == metadata()
    assert registry.serving("cross") == 1


def test_jobs_that_publish_at_once_take_different_numbers(registry: Registry) -> None:
    jobs = [JOB.replace("1", digit) for digit in "3456789"]
    for job in jobs:
        stage(registry, metadata(job_id=job))
    threads = [
        threading.Thread(target=Registry(registry.root).publish, args=(job, as_told))
        for job in jobs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert registry.numbers("cross") == [7, 6, 5, 4, 3, 2, 1]
    assert {version.metadata.job_id for version in registry.versions("cross")} == set(jobs)
    assert registry.serving("cross") == 7


def test_a_damaged_version_is_named_logged_and_skipped(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    publish(registry, metadata(job_id=JOB))
    publish(registry, metadata(job_id=OTHER_JOB))
    (registry.folder("cross", 2) / "saved_model.pb").write_bytes(b"grapf")
    with caplog.at_level(logging.ERROR):
        assert registry.serving("cross") == 1
    assert "cross/2 is damaged" in caplog.text
    assert registry.damaged() == ["cross/2: saved_model.pb has changed"]
    with pytest.raises(NotFound, match="damaged"):
        registry.version("cross", 2)
    with pytest.raises(NotFound, match="damaged"):
        registry.promote("cross", 2)
    registry.folder("cross", 3).mkdir()
    assert registry.serving("cross") == 1
    assert publish(registry, metadata(job_id=JOB.replace("1", "3"))) == 4


def test_a_serving_version_that_is_gone_leaves_the_newest_one(registry: Registry) -> None:
    publish(registry, metadata(job_id=JOB))
    publish(registry, metadata(job_id=OTHER_JOB))
    shutil.rmtree(registry.folder("cross", 2))
    assert registry.serving("cross") == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": "x"}', '{"version": null}', "\0"])
def test_a_damaged_pointer_leaves_the_newest_version(registry: Registry, text: str) -> None:
    publish(registry, metadata())
    (registry.root / "cross" / "serving.json").write_text(text)
    assert registry.serving("cross") == 1


def test_a_folder_in_the_place_of_the_pointer_is_a_damaged_pointer(registry: Registry) -> None:
    publish(registry, metadata())
    pointer = registry.root / "cross" / "serving.json"
    pointer.unlink()
    pointer.mkdir()
    assert registry.serving("cross") == 1
    with pytest.raises(IsADirectoryError):
        registry.promote("cross", 1)
    pointer.rmdir()
    registry.promote("cross", 1)
    assert pointer.is_file()
    assert len(registry.changes("cross", 10)) == 1


def test_names_that_are_no_versions_are_passed_over(registry: Registry) -> None:
    for name in ("01", "0", "x", "-1", "1.5", "²"):
        (registry.root / "cross" / name).mkdir()
    assert registry.numbers("cross") == []


def test_the_state_changes_with_every_change(registry: Registry) -> None:
    states = {registry.state()}
    publish(registry, metadata(job_id=JOB))
    states.add(registry.state())
    publish(registry, metadata(job_id=OTHER_JOB, refused="no better than the mean"))
    states.add(registry.state())
    registry.promote("cross", 2)
    states.add(registry.state())
    assert len(states) == 4
    assert registry.state() in states
