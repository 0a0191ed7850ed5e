"""Tables in a store, as machines with folders of their own see them."""

from datetime import timedelta
from pathlib import Path

import pytest

from models.config import TableDataset
from service.errors import NotFound, Unavailable
from service.objects import Objects, Tag
from service.registry.manifest import Damaged
from service.store import tables as module
from service.store import tidying
from service.store.files import File, download
from service.store.follower import Follower
from service.store.places import Places
from service.tables.store import DATA, SchemaChanged
from tests.registry.versions import fill, metadata
from tests.store.machines import keys, one_reply_lost, refresh
from tests.tables.revisions import publish, schema_of, stage, stored


def follower_of(places: Places) -> Follower:
    assert places.store is not None
    return Follower(places, places.store)


def follow(follower: Follower) -> None:
    follower.look()
    follower.tidy_up()


def test_what_one_machine_takes_another_describes_and_reads(here: Places, there: Places) -> None:
    revision, is_new = publish(here.tables, "houses")
    assert is_new
    refresh(there)
    assert there.tables.names() == ["houses"]
    assert there.tables.revision("houses") == revision
    assert there.tables.expected("houses") == schema_of(["rooms"])
    data = there.tables.folder("houses", 1) / DATA
    assert data.read_bytes() == (here.tables.folder("houses", 1) / DATA).read_bytes()


def test_the_same_bytes_from_elsewhere_are_the_same_revision(
    here: Places, there: Places, objects: Objects
) -> None:
    publish(here.tables, "houses", b"rows")
    refresh(there)
    assert not publish(there.tables, "houses", b"rows")[1]
    assert publish(there.tables, "houses", b"more rows")[0].revision == 2
    assert len([key for key in keys(objects) if key.endswith(".parquet")]) == 2


def test_a_table_that_was_read_for_other_columns_leaves_nothing(
    here: Places, there: Places, objects: Objects
) -> None:
    folder = stage(there.tables)
    publish(here.tables, "houses", features=["area"])
    with pytest.raises(SchemaChanged):
        there.tables.publish("houses", folder, stored(b""), expected=None)
    assert len([key for key in keys(objects) if key.endswith(".parquet")]) == 1


def test_what_has_just_come_on_one_machine_is_known_to_who_asks_another_one(
    here: Places, there: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh(there)
    publish(here.tables, "houses", b"1")
    assert there.tables.find("houses")[0] == 1
    publish(here.tables, "houses", b"2")
    assert there.tables.find("houses", 2)[0] == 2
    publish(here.tables, "houses", b"3")
    assert there.tables.pin(TableDataset(kind="table", name="houses"))[0].revision == 3

    def away(*_: object) -> None:
        raise Unavailable("the object store does not answer")

    monkeypatch.setattr(Objects, "get", away)
    with pytest.raises(Unavailable):
        there.tables.pin(TableDataset(kind="table", name="houses"))
    with pytest.raises(Unavailable):
        there.tables.find("boats")


def test_who_loses_a_race_publishes_after_it(
    here: Places, there: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(here.tables, "houses", b"1")
    refresh(there)
    swap = Objects.swap
    raced: list[bool] = []

    def late(self: Objects, *arguments: object) -> object:
        if not raced:
            raced.append(True)
            publish(here.tables, "houses", b"2")
        return swap(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Objects, "swap", late)
    assert publish(there.tables, "houses", b"3")[0].revision == 3
    refresh(here)
    assert here.tables.numbers("houses") == [3, 2, 1]


@pytest.mark.parametrize("before", [[], [b"0"]], ids=["the first", "a later"])
def test_a_revision_is_published_once_though_the_reply_is_lost_and_another_comes(
    here: Places, there: Places, before: list[bytes]
) -> None:
    for content in before:
        publish(here.tables, "houses", content)

    def another() -> None:
        refresh(there)
        publish(there.tables, "houses", b"2")

    with one_reply_lost(another):
        assert publish(here.tables, "houses", b"1")[0].revision == len(before) + 1
    refresh(here, there)
    assert there.tables.numbers("houses") == list(range(len(before) + 2, 0, -1))
    for number in there.tables.numbers("houses"):
        there.tables.verify("houses", number)


def test_a_removal_whose_reply_is_lost_spares_what_is_put_after_it(
    here: Places, there: Places
) -> None:
    publish(here.tables, "houses", b"1")

    def another() -> None:
        refresh(there)
        publish(there.tables, "houses", b"2")

    with one_reply_lost(another):
        here.tables.remove("houses")
    refresh(there)
    assert there.tables.numbers("houses") == [1]


@pytest.mark.parametrize("before", [[], [b"0"]], ids=["the first", "a later"])
def test_what_an_upload_that_was_cut_short_has_written_is_swept_after_a_day(
    here: Places,
    there: Places,
    objects: Objects,
    monkeypatch: pytest.MonkeyPatch,
    before: list[bytes],
) -> None:
    for content in before:
        publish(here.tables, "houses", content)
    published = keys(objects, "datasets/")

    def cut_short(*_: object) -> None:
        raise Unavailable("the object store does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(Objects, "swap", cut_short)
        with pytest.raises(Unavailable):
            publish(here.tables, "houses", b"1")
    follower = follower_of(there)
    follow(follower)
    assert len(keys(objects, "datasets/")) == len(published) + 2  # it may still be under way
    monkeypatch.setattr(tidying, "UPLOAD_KEPT", timedelta(0))
    publish(here.tables, "cars")
    follow(follower)
    assert keys(objects, "datasets/houses/") == published
    assert keys(objects, "uploads/") == []


def test_what_was_published_is_not_swept_though_nobody_was_told_so(
    here: Places, there: Places, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap = Objects.swap

    def untold(self: Objects, key: str, content: bytes, tag: Tag | None) -> None:
        assert swap(self, key, content, tag)
        raise Unavailable("the object store does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(Objects, "swap", untold)
        with pytest.raises(Unavailable):
            publish(here.tables, "houses")
    monkeypatch.setattr(tidying, "UPLOAD_KEPT", timedelta(0))
    follow(follower_of(there))
    there.tables.verify("houses", 1)
    assert keys(objects, "uploads/") == []


def test_a_damaged_copy_is_fetched_again(here: Places, objects: Objects) -> None:
    publish(here.tables, "houses")
    data = here.tables.folder("houses", 1) / DATA
    whole = data.read_bytes()
    data.write_bytes(b"torn")
    here.tables.verify("houses", 1)
    assert data.read_bytes() == whole
    objects.delete([key for key in keys(objects) if key.endswith(".parquet")])
    data.write_bytes(b"torn")
    with pytest.raises(Damaged, match="missing in the store"):
        here.tables.verify("houses", 1)


def test_who_fetches_the_same_at_once_leaves_what_the_other_may_read_already(
    here: Places, there: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(here.tables, "houses")
    refresh(there)
    found: list[int] = []

    def late(objects: Objects, files: list[File], folder: Path) -> None:
        monkeypatch.undo()
        download(objects, files, folder)
        found.append(there.tables.folder("houses", 1).stat().st_ino)

    monkeypatch.setattr(module, "download", late)
    assert [there.tables.folder("houses", 1).stat().st_ino] == found


def test_what_is_removed_goes_from_the_store_and_from_all_machines(
    here: Places, there: Places, objects: Objects
) -> None:
    for content in (b"1", b"2", b"3"):
        publish(here.tables, "houses", content)
    refresh(there)
    old = there.tables.folder("houses", 1)
    here.tables.remove_oldest("houses", keep=1, needed=[2])
    assert here.tables.numbers("houses") == [3, 2]
    follower = follower_of(there)
    follow(follower)
    assert not old.exists()
    assert len([key for key in keys(objects) if key.endswith(".parquet")]) == 2

    fill(there.registry.of("houses").place("cross", 1), metadata())
    here.tables.remove("houses")
    with pytest.raises(NotFound):
        here.tables.remove("houses")
    follow(follower)
    assert not there.registry.of("houses").is_there
    assert not (there.registry.artifacts / "houses").exists()
    assert keys(objects, "datasets/") == []
    assert publish(here.tables, "houses")[0].revision == 1
