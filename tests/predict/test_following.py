"""Which version answers, what it costs to be sure of it, and what is tried beside it."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.schema import TRIPLES
from service.errors import BadRequest, Conflict, NotFound, Unavailable
from service.predict import following as module
from service.predict.following import ANYBODY, Client, Following, client
from service.predict.formats.question import Question
from service.predict.serving import Serving, look
from service.registry import promotion
from service.registry.versions import Registry
from service.schemas import Canary
from service.settings import Settings
from service.tables.store import FOLDER, Tables
from tests.predict.tables import publish, train
from tests.registry.versions import OTHER_JOB
from tests.store.machines import in_memory, machine, refresh
from tests.tables.revisions import publish as put

pytestmark = pytest.mark.anyio

HOUSES = Question("houses", None, None, None)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    publish(tmp_path)
    return publish(tmp_path, version=2, bias=1, job_id=OTHER_JOB)


@pytest.fixture
def following(registry: Registry, tmp_path: Path) -> Iterator[Following]:
    settings = Settings(artifacts_dir=tmp_path, staleness_seconds=1)
    with ThreadPoolExecutor(2) as threads:
        yield Following(registry, Tables(tmp_path), settings, threads)


async def version(following: Following, asking: Client = ANYBODY) -> int:
    return (await following.find(HOUSES, asking)).loaded.version


async def test_who_knows_of_a_change_is_not_answered_by_what_served_before(
    following: Following, registry: Registry
) -> None:
    promotion.promote(registry, "dense", 1)
    before = await following.find(HOUSES)
    promotion.promote(registry, "dense", 2)
    assert await version(following) == 1  # nobody has told this process yet
    assert await version(following, Client(before.serving.epoch)) == 1
    assert await version(following, Client(before.serving.epoch + 1)) == 2


async def test_who_knows_of_a_change_is_refused_where_it_cannot_be_looked_up(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch = (await following.find(HOUSES)).serving.epoch
    monkeypatch.setattr(module, "look", _cannot)
    assert await version(following, Client(epoch)) == 2
    with pytest.raises(Unavailable, match=f"since epoch {epoch + 1}"):
        await version(following, Client(epoch + 1))


def _cannot(registry: Registry, before: Serving) -> Serving:
    raise OSError(5, "Input/output error")


async def test_who_knows_of_a_change_is_not_answered_by_news_from_before_it(
    following: Following, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch = (await following.find(HOUSES)).serving.epoch
    under_way, looked, come = threading.Event(), threading.Event(), threading.Event()

    def catch_up() -> None:
        if under_way.is_set():
            monkeypatch.setattr(module, "look", look)
        under_way.set()
        come.wait(10)

    def look_at_old_news(registry: Registry, before: Serving) -> Serving:
        if under_way.is_set():
            looked.set()
        return before

    monkeypatch.setattr(registry, "catch_up", catch_up)
    monkeypatch.setattr(module, "look", look_at_old_news)
    early = asyncio.create_task(version(following, Client(10**14)))
    await asyncio.to_thread(under_way.wait, 10)
    promotion.promote(registry, "dense", 1)
    late = asyncio.create_task(version(following, Client(epoch + 1)))
    await asyncio.to_thread(looked.wait, 10)
    for _ in range(10):
        await asyncio.sleep(0)  # until it waits for news
    come.set()
    assert await late == 1
    await early


async def test_where_nothing_serves_yet_news_are_asked_for_first(
    following: Following, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(registry, "catch_up", lambda: asked.append(True))
    await following.of(TRIPLES)
    with pytest.raises(Conflict):
        await following.find(Question(TRIPLES, None, None, None))
    assert asked == [True]


async def test_what_has_just_come_on_another_machine_answers(tmp_path: Path) -> None:
    objects = in_memory()
    here, there = machine(tmp_path / "here", objects), machine(tmp_path / "there", objects)
    refresh(there)
    settings = Settings(artifacts_dir=there.registry.artifacts)
    with ThreadPoolExecutor(2) as threads:
        following = Following(there.registry, there.tables, settings, threads)
        put(here.tables, "houses")
        train(here)
        assert await version(following) == 1
        train(here)
        named = await following.find(Question("houses", "dense", 2, None))
        assert named.loaded.version == 2
        with pytest.raises(NotFound):
            await following.find(Question("houses", "dense", 3, None))
        with pytest.raises(NotFound):
            await following.find(Question("boats", None, None, None))


async def test_what_others_took_the_place_of_is_let_go(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = weakref.ref((await following.find(HOUSES)).loaded)
    monkeypatch.setattr(module, "KEPT_DATASETS", 0)
    following._swap("boats", (await following.of("houses"))._replace(state=("boats",)))
    gc.collect()
    assert let_go() is None


async def test_nobody_waits_for_what_was_never_loaded_while_the_store_is_silent(
    following: Following, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    come = threading.Event()

    def look_for_long(registry: Registry, before: Serving) -> Serving:
        come.wait(30)
        return look(registry, before)

    monkeypatch.setattr(module, "look", look_for_long)
    monkeypatch.setattr(module, "CATCH_UP_SECONDS", 0.05)
    waiting = asyncio.create_task(version(following))
    await asyncio.sleep(0.2)  # it is only slow
    assert not waiting.done()
    monkeypatch.setattr(registry, "unconfirmed_seconds", lambda: 10.0)
    with pytest.raises(Unavailable):
        async with asyncio.timeout(10):
            await waiting
    monkeypatch.undo()
    come.set()
    assert await version(following) == 2


async def test_an_epoch_that_there_never_was_is_answered_by_what_serves(
    following: Following,
) -> None:
    assert await version(following, Client(10**14)) == 2


async def test_who_has_not_looked_for_long_looks_before_it_answers(
    following: Following, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    await following.find(HOUSES)
    promotion.promote(registry, "dense", 1)
    assert await version(following) == 2
    await asyncio.sleep(1.1)  # the process stood still
    assert following.unconfirmed_seconds() > 1
    assert await version(following) == 1
    assert following.unconfirmed_seconds() < 1


@pytest.mark.parametrize("error", [Unavailable("the store is away"), OSError(28, "a full disk")])
async def test_who_knows_of_a_change_is_refused_where_there_is_no_asking_for_it(
    following: Following, registry: Registry, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def cannot_catch_up() -> None:
        raise error

    epoch = (await following.find(HOUSES)).serving.epoch
    monkeypatch.setattr(registry, "catch_up", cannot_catch_up)
    with pytest.raises(Unavailable, match=f"since epoch {epoch + 1}"):
        await version(following, Client(epoch + 1))


async def test_where_nothing_can_be_looked_up_what_is_loaded_goes_on_to_answer(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    await following.find(HOUSES)
    monkeypatch.setattr(module, "look", _cannot)
    await asyncio.sleep(1.1)
    assert await version(following) == 2
    assert following.unconfirmed_seconds() > 1


async def test_a_look_that_takes_long_holds_up_neither_other_datasets_nor_what_is_loaded(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    await following.find(HOUSES)
    under_way, come = threading.Event(), threading.Event()

    def look_for_long(registry: Registry, before: Serving) -> Serving:
        if registry.dataset == "houses":
            under_way.set()
            come.wait(30)
        return look(registry, before)

    monkeypatch.setattr(module, "look", look_for_long)
    looking = asyncio.create_task(following.of("houses"))
    await asyncio.to_thread(under_way.wait, 10)
    following._confirmed.clear()  # as when nobody has looked for long
    try:
        async with asyncio.timeout(10):
            await following.of(TRIPLES)
            assert await version(following) == 2
            with pytest.raises(Unavailable, match="since epoch"):
                await version(following, Client(10**14))
    finally:
        come.set()
    await looking


async def test_a_dataset_without_versions_is_unavailable_where_nobody_can_tell_of_any(
    tmp_path: Path, following: Following, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    come = threading.Event()
    monkeypatch.setattr(module, "CATCH_UP_SECONDS", 0.01)
    monkeypatch.setattr(registry, "catch_up", lambda: come.wait(10))
    (tmp_path / FOLDER / "boats" / "1").mkdir(parents=True)
    with pytest.raises(Unavailable, match="what serves now"):
        await following.find(Question("boats", None, None, None))
    come.set()


async def test_a_version_is_tried_on_those_who_name_a_key_alone(
    following: Following, registry: Registry
) -> None:
    promotion.promote(registry, "dense", 1, canary=Canary(version=2, percent=50))
    keys = [str(number).encode() for number in range(20)]
    found = [await following.find(HOUSES, Client(key=key)) for key in keys]
    assert {each.loaded.version for each in found} == {1, 2}
    assert all(each.trial for each in found)
    nobody = await following.find(HOUSES)
    assert (nobody.loaded.version, nobody.trial) == (1, None)
    named = await following.find(Question("houses", "dense", 1, None), Client(key=keys[0]))
    assert (named.loaded.version, named.trial) == (1, None)


async def test_a_version_that_is_tried_and_gone_costs_nobody_an_answer(
    following: Following, registry: Registry
) -> None:
    promotion.promote(registry, "dense", 1, canary=Canary(version=2, percent=100))
    (registry.folder("dense", 2) / "saved_model.pb").unlink()
    assert await version(following, Client(key=b"me")) == 1


@pytest.mark.parametrize("epoch", [b"", b"-1", b"1.5", b"x", b"1" * 16])
def test_what_is_no_epoch_is_refused(epoch: bytes) -> None:
    with pytest.raises(BadRequest, match="X-Serving-Epoch"):
        client({b"x-serving-epoch": epoch})


def test_who_says_nothing_of_itself_is_anybody() -> None:
    assert client({}) is ANYBODY
    assert client({b"x-serving-epoch": b"12"}) == Client(12)
    assert client({b"x-canary-key": b"me"}) == Client(0, b"me")
