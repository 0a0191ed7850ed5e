"""Versions in a store, as machines with folders of their own see them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from models.config import ModelName
from service.errors import NotFound, Unavailable
from service.objects import Objects
from service.registry import promotion
from service.registry.manifest import METADATA, ONNX, Damaged, verify
from service.registry.promotion import Judgement
from service.registry.versions import Gone, Registry, Stand
from service.schemas import Metadata
from service.store.places import Places
from service.store.versions import StoredRegistry
from tests.predict.tables import train
from tests.registry.versions import JOB, OTHER_JOB, as_told, fill, metadata, publish, stage
from tests.store.machines import keys, machine, make_anew, one_reply_lost, refresh
from tests.tables.revisions import publish as put


def test_what_one_machine_publishes_another_serves_file_by_file(
    here: Places, there: Places
) -> None:
    assert publish(here.registry, metadata()) == 1
    refresh(there)
    assert there.registry.serving("cross") == 1
    assert there.registry.metadata("cross", 1) == metadata()
    assert not there.registry.place("cross", 1).exists()  # nobody has asked for its files
    folder = there.registry.folder("cross", 1)
    assert verify(folder) == metadata()
    assert (folder / ONNX).read_bytes() == b"twin"


def test_promotions_are_seen_by_all_and_told_in_their_order(here: Places, there: Places) -> None:
    publish(here.registry, metadata(job_id=JOB))
    publish(here.registry, metadata(job_id=OTHER_JOB))
    refresh(there)
    promotion.promote(there.registry, "cross", 1, "ops")
    promotion.promote(there.registry, "cross", 1)  # changes nothing
    refresh(here)
    assert here.registry.serving("cross") == 1
    seen = [(each.previous, each.version, each.key) for each in here.registry.changes("cross", 10)]
    assert seen == [(2, 1, "ops"), (1, 2, None), (None, 1, None)]
    assert here.registry.changes("cross", 2) == here.registry.changes("cross")[:2]
    assert here.registry.last_change("cross") == here.registry.changes("cross")[0]


def test_a_promotion_whose_reply_is_lost_is_not_made_again_after_the_next_one(
    here: Places, there: Places
) -> None:
    for job_id in (JOB, OTHER_JOB):
        publish(here.registry, metadata(job_id=job_id))

    def another() -> None:
        refresh(there)
        promotion.promote(there.registry, "cross", 2, "the second")

    with one_reply_lost(another):
        promotion.promote(here.registry, "cross", 1, "the first")
    assert here.registry.serving("cross") == 2
    assert [each.key for each in here.registry.changes("cross", 2)] == ["the second", "the first"]


def test_a_decision_about_another_champion_is_made_anew(here: Places, there: Places) -> None:
    for job_id in (JOB, OTHER_JOB):
        publish(here.registry, metadata(job_id=job_id))
    asked: list[int | None] = []

    def judge(challenger: Metadata, folder: Path, champion: int | None) -> Judgement:
        asked.append(champion)
        if len(asked) == 1:
            refresh(there)
            promotion.promote(there.registry, "cross", 1)
        assert verify(folder).job_id == challenger.job_id
        return Judgement(True, f"better than {champion}")

    third = metadata(job_id=JOB.replace("1", "3"))
    stage(here.registry, third)
    promotion.publish(here.registry, third.job_id, judge)
    assert asked == [2, 1]
    assert [each.reason for each in here.registry.changes("cross", 2)] == [
        "better than 1",
        "rolled back by hand",
    ]


def test_a_version_that_another_attempt_has_published_does_not_take_over_again(
    here: Places, there: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage(here.registry, metadata(job_id=JOB))
    real = StoredRegistry.stand

    def late(self: StoredRegistry, name: ModelName) -> Stand:
        monkeypatch.undo()
        promotion.publish(there.registry, JOB, as_told)
        publish(there.registry, metadata(job_id=OTHER_JOB))
        return real(self, name)

    monkeypatch.setattr(StoredRegistry, "stand", late)
    assert promotion.publish(here.registry, JOB, as_told) == {"cross": 1}
    assert here.registry.serving("cross") == 2
    assert [each.version for each in here.registry.changes("cross")] == [2, 1]


def test_nothing_is_promoted_of_a_dataset_that_had_the_name_before(
    here: Places, there: Places
) -> None:
    put(here.tables, "houses", b"1")
    for bias in (1, 2):
        train(here, bias)
    refresh(there)
    make_anew(here, b"2")
    with pytest.raises(NotFound):
        promotion.promote(there.registry.of("houses"), "dense", 1)
    assert here.registry.of("houses").numbers("dense") == []
    train(here)
    with pytest.raises(NotFound):
        promotion.promote(there.registry.of("houses"), "dense", 2)
    refresh(here)
    assert here.registry.of("houses").numbers("dense") == [1]


@pytest.mark.parametrize(("step", "calls"), [("_require", 1), ("_require", 2), ("point", 1)])
def test_a_job_publishes_nothing_in_a_dataset_that_has_taken_the_name(
    here: Places, there: Places, monkeypatch: pytest.MonkeyPatch, step: str, calls: int
) -> None:
    put(here.tables, "houses", b"1")
    real: Callable[..., object] = getattr(StoredRegistry, step)
    called: list[bool] = []

    def made_anew(*arguments: object) -> object:
        found = real(*arguments) if step == "_require" else None
        called.append(True)
        if len(called) == calls:
            monkeypatch.undo()
            make_anew(there, b"2")
            train(there)
            refresh(here)
        return found if step == "_require" else real(*arguments)

    monkeypatch.setattr(StoredRegistry, step, made_anew)
    with pytest.raises(Gone):
        train(here)
    assert len(called) == calls
    registry = there.registry.of("houses")
    refresh(there)
    assert registry.numbers("dense") == [1]
    assert registry.version("dense", 1).serving
    assert len(registry.changes("dense")) == 1


def test_a_job_goes_on_on_another_machine(here: Places, there: Places) -> None:
    stage(here.registry, metadata())
    shutil.rmtree(here.registry.artifacts)
    assert promotion.publish(there.registry, JOB, as_told) == {"cross": 1}
    assert promotion.publish(there.registry, JOB, as_told) == {"cross": 1}
    assert verify(there.registry.folder("cross", 1)) == metadata()


def test_a_damaged_copy_is_fetched_again(here: Places, there: Places) -> None:
    publish(here.registry, metadata())
    refresh(there)
    folder = there.registry.folder("cross", 1)
    (folder / ONNX).write_bytes(b"torn")
    (folder / "foreign").touch()
    assert there.registry.metadata("cross", 1) == metadata()
    assert verify(folder) == metadata()
    assert there.registry.damaged() == []


def test_a_copy_that_is_damaged_while_the_store_has_lost_it_is_damaged(
    here: Places, objects: Objects
) -> None:
    publish(here.registry, metadata())
    onnx = here.registry.folder("cross", 1) / ONNX
    objects.delete([key for key in keys(objects) if key.endswith("model.onnx")])
    assert here.registry.metadata("cross", 1) == metadata()
    onnx.write_bytes(b"torn")
    with pytest.raises(Damaged, match="missing in the store"):
        here.registry.metadata("cross", 1)


def test_what_is_here_is_served_while_the_store_is_away(
    here: Places, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(here.registry, metadata())
    here.registry.folder("cross", 1)

    def away(*_: object, **__: object) -> None:
        raise Unavailable("the object store does not answer")

    for name in ("get", "create", "swap", "put", "download"):
        monkeypatch.setattr(Objects, name, away)
    again = machine(here.registry.artifacts, objects)  # as after a restart
    assert again.registry.serving("cross") == 1
    assert verify(again.registry.folder("cross", 1)) == metadata()
    with pytest.raises(Unavailable):
        promotion.promote(again.registry, "cross", 1)
    with pytest.raises(Unavailable):
        again.registry.staging.cancel(JOB)


def test_a_file_is_read_without_fetching_the_version(here: Places, there: Places) -> None:
    publish(here.registry, metadata())
    refresh(there)
    assert there.registry.read("cross", 1, ONNX) == b"twin"
    assert not there.registry.place("cross", 1).exists()
    with pytest.raises(FileNotFoundError):
        there.registry.read("cross", 1, METADATA.with_name("none"))
    with pytest.raises(NotFound):
        there.registry.version("cross", 2)


def test_a_folder_with_versions_of_its_own_is_not_taken_for_a_cache(
    tmp_path: Path, objects: Objects
) -> None:
    own = Registry(tmp_path)
    own.prepare()
    fill(own.folder("cross", 1), metadata())
    with pytest.raises(FileExistsError, match="not in the object store"):
        machine(tmp_path, objects)
