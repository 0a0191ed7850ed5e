"""What a machine does about a new head."""

import asyncio
import shutil
import threading
from pathlib import Path

import pytest

from service import clock
from service.errors import Unavailable
from service.objects import Objects
from service.registry import promotion
from service.store import follower as module
from service.store import store
from service.store.follower import Follower, keep_following
from service.store.places import Places
from service.store.store import Known, Store
from tests.registry.versions import JOB, OTHER_JOB, metadata, publish
from tests.store.machines import keys, machine
from tests.tables.revisions import publish as put_table


def follower_of(places: Places) -> Follower:
    assert places.store is not None
    return Follower(places, places.store)


def test_what_serves_is_fetched_ahead_where_its_dataset_is_in_use(
    here: Places, there: Places
) -> None:
    publish(here.registry, metadata(job_id=JOB))
    follower = follower_of(there)
    follower.look()
    follower.tidy_up()
    assert there.registry.serving("cross") == 1
    assert not there.registry.place("cross", 1).exists()
    there.registry.folder("cross", 1)
    publish(here.registry, metadata(job_id=OTHER_JOB))
    follower.look()
    follower.tidy_up()
    assert there.registry.place("cross", 2).is_dir()


def test_one_process_follows_for_all_of_a_machine(
    here: Places, there: Places, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = follower_of(there), follower_of(there)
    asked: list[str] = []
    get = Objects.get

    def counted(self: Objects, key: str, *others: object) -> object:
        asked.append(key)
        return get(self, key, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(Objects, "get", counted)
    for _ in range(5):
        first.look()
        second.look()
    assert asked == ["head.json"] * 5
    publish(here.registry, metadata())
    first.look()
    other = machine(there.registry.artifacts, objects)  # another process, which asks nobody
    asked.clear()
    assert other.registry.numbers("cross") == [1]
    assert asked == []


def test_where_the_one_that_follows_hangs_another_asks(
    here: Places, there: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, other = follower_of(there), follower_of(there)
    hangs.look()
    publish(here.registry, metadata())
    other.look()
    assert there.registry.numbers("cross") == []
    monkeypatch.setattr(Store, "unconfirmed_seconds", lambda _: 2.0)
    other.look()
    assert there.registry.numbers("cross") == [1]


def test_it_looks_on_while_it_deletes(
    here: Places, there: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, looked, end = (threading.Event() for _ in range(3))
    refresh = Store.refresh

    def told(self: Store) -> Known:
        known = refresh(self)
        looked.set()
        return known

    def slow(*_: object) -> None:
        begun.set()
        assert end.wait(60)

    monkeypatch.setattr(Store, "delete", slow)
    monkeypatch.setattr(module, "POLLING_SECONDS", 0.01)
    put_table(here.tables, "houses")
    here.tables.remove("houses")

    async def scene() -> None:
        following = asyncio.create_task(keep_following(there))
        try:
            assert await asyncio.to_thread(begun.wait, 20)
            publish(here.registry, metadata())
            monkeypatch.setattr(Store, "refresh", told)
            assert await asyncio.to_thread(looked.wait, 20)
            assert there.registry.numbers("cross") == [1]
        finally:
            end.set()
            following.cancel()

    asyncio.run(scene())


def test_what_cannot_be_fetched_keeps_nothing_else_from_being_done_and_is_tried_again(
    here: Places, there: Places, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(here.registry, metadata(job_id=JOB))
    follower = follower_of(there)
    follower.look()
    there.registry.folder("cross", 1)
    publish(here.registry, metadata(job_id=OTHER_JOB))
    put_table(here.tables, "houses")
    here.tables.remove("houses")

    def away(*_: object) -> None:
        raise Unavailable("the object store does not answer")

    monkeypatch.setattr(module, "AGAIN_SECONDS", 0)
    with monkeypatch.context() as patched:
        patched.setattr(Objects, "download", away)
        follower.look()
        follower.tidy_up()
    assert keys(objects, "datasets/houses/") == []
    assert not there.registry.place("cross", 2).exists()
    follower.tidy_up()
    assert there.registry.place("cross", 2).is_dir()


def test_it_is_known_how_long_nothing_was_heard_of_the_store(
    there: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert there.store is not None
    assert there.store.unconfirmed_seconds() == float("inf")
    follower = follower_of(there)
    follower.look()
    assert there.store.unconfirmed_seconds() < 5

    def away(*_: object) -> None:
        raise Unavailable("the object store does not answer")

    monkeypatch.setattr(Objects, "get", away)
    before = (there.store.folder / "confirmed").read_text()
    follower.look()
    assert (there.store.folder / "confirmed").read_text() == before


def test_what_was_heard_before_the_machine_was_started_anew_is_no_news(
    there: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert there.store is not None
    there.store.refresh()
    now, start = clock.now(), clock.boot()
    monkeypatch.setattr(clock, "now", lambda: now + 3600)
    assert 3600 <= there.store.unconfirmed_seconds() < 3605
    monkeypatch.setattr(clock, "now", lambda: now - 1)  # it was asked just before
    assert there.store.unconfirmed_seconds() == 0
    monkeypatch.setattr(clock, "boot", lambda: f"not {start}")
    assert there.store.unconfirmed_seconds() == float("inf")


def test_a_machine_that_was_away_catches_up(here: Places, there: Places) -> None:
    for job_id in (JOB, OTHER_JOB):
        publish(here.registry, metadata(job_id=job_id))
    promotion.promote(here.registry, "cross", 1)
    follower_of(there).look()
    assert there.registry.serving("cross") == 1
    assert len(there.registry.changes("cross")) == 3


def test_a_small_object_is_read_though_its_folder_is_forgotten_at_this_moment(
    here: Places, there: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(here.registry, metadata())
    follower_of(there).look()
    write = store._write
    forgotten: list[Path] = []

    def late(path: Path, content: bytes) -> None:
        if "kept" in path.parts and not forgotten:
            forgotten.append(path.parent)
            shutil.rmtree(path.parent)
        write(path, content)

    monkeypatch.setattr(store, "_write", late)
    assert there.registry.metadata("cross", 1) == metadata()
    assert forgotten
