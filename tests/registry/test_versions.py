import logging
import shutil
import threading
from pathlib import Path

import pytest

from service.errors import NotFound
from service.registry.versions import Registry
from tests.registry.versions import JOB, OTHER_JOB, fill, metadata, publish, stage


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
    assert registry.publish(JOB) == {"dense": 1, "cross": 1}
    assert registry.publish(JOB) == {"dense": 1, "cross": 1}
    assert registry.serving("dense") == registry.serving("cross") == 1


def test_jobs_that_publish_at_once_take_different_numbers(registry: Registry) -> None:
    jobs = [JOB.replace("1", digit) for digit in "3456789"]
    for job in jobs:
        stage(registry, metadata(job_id=job))
    threads = [
        threading.Thread(target=Registry(registry.root).publish, args=(job,)) for job in jobs
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
