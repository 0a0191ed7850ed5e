import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from service.errors import NotFound
from service.registry import promotion, versions
from service.registry.versions import Registry
from service.tables.store import Tables
from tests.predict import tables
from tests.registry.versions import JOB, OTHER_JOB, metadata, publish


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


def test_a_damaged_version_is_named_logged_and_skipped(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    publish(registry, metadata(job_id=JOB))
    publish(registry, metadata(job_id=OTHER_JOB))
    (registry.folder("cross", 2) / "saved_model.pb").write_bytes(b"grapf")
    with caplog.at_level(logging.ERROR):
        assert registry.serving("cross") == 1
    assert "cross/2 is damaged" in caplog.text
    assert registry.damaged() == ["triples/cross/2: saved_model.pb has changed"]
    with pytest.raises(NotFound, match="damaged"):
        registry.version("cross", 2)
    with pytest.raises(NotFound, match="damaged"):
        promotion.promote(registry, "cross", 2)
    registry.folder("cross", 3).mkdir()
    assert registry.serving("cross") == 1
    assert publish(registry, metadata(job_id=JOB.replace("1", "3"))) == 4


@pytest.mark.parametrize(("of", "step"), [(versions, "verify"), (Path, "lstat")])
def test_a_version_that_is_removed_as_it_is_looked_at_is_gone_and_not_damaged(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    of: object,
    step: str,
) -> None:
    houses, do = tables.publish(tmp_path), getattr(of, step)

    def late(path: Path) -> Any:
        if houses.root in path.parents and houses.is_there:
            Tables(tmp_path).remove("houses")
        return do(path)

    monkeypatch.setattr(of, step, late)
    assert houses.damaged() == []
    assert not houses.is_there
    assert houses.known_damaged() == set()
    assert caplog.text == ""


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
    promotion.promote(registry, "cross", 2)
    states.add(registry.state())
    assert len(states) == 4
    assert registry.state() in states


def test_the_versions_of_a_release_that_knew_one_dataset_become_its_own(tmp_path: Path) -> None:
    old = Registry(tmp_path, "")
    old.staging.root.mkdir()
    publish(old, metadata())
    assert (tmp_path / "cross" / "1").is_dir()
    for _ in range(2):
        registry = Registry(tmp_path)
        registry.prepare()
        assert registry.serving("cross") == 1
        assert registry.numbers("dense") == []


def test_a_dataset_without_versions_has_no_folder_and_is_empty(registry: Registry) -> None:
    houses = registry.of("houses")
    state = houses.state()
    assert houses.numbers("cross") == []
    assert houses.serving("cross") is None
    assert houses.changes("cross", 10) == []
    assert houses.published(JOB) == {}
    assert not houses.root.exists()
    assert publish(houses, metadata()) == 1
    assert houses.state() != state
    assert registry.numbers("cross") == []
