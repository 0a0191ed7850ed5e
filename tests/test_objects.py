"""What we take from a store: in memory, and over HTTP."""

import threading
import uuid
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from service.errors import Unavailable
from service.objects import Objects, Unchanged
from tests.object_store import ObjectStore


@pytest.fixture(params=["memory", "S3"])
def objects(request: pytest.FixtureRequest) -> Objects:
    if request.param == "memory":
        return Objects(MemoryStore())
    server: ObjectStore = request.getfixturevalue("object_store")
    return Objects.at(server.url(str(uuid.uuid4())))


def test_an_object_is_created_once(objects: Objects) -> None:
    assert objects.create("a/b", b"1") is None
    assert objects.create("a/b", b"2") == b"1"
    found = objects.get("a/b")
    assert found is not None
    assert found[0] == b"1"


def test_of_many_who_create_at_once_one_does(objects: Objects) -> None:
    barrier, results = threading.Barrier(8), []

    def create(content: bytes) -> None:
        barrier.wait()
        results.append(objects.create("verdict", content) or content)

    threads = [threading.Thread(target=create, args=(b"%d" % n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert len(set(results)) == 1


def test_an_object_is_swapped_only_by_who_has_read_it(objects: Objects) -> None:
    first = objects.swap("head", b"1", None)
    assert first is not None
    assert objects.swap("head", b"2", None) is None
    second = objects.swap("head", b"2", first)
    assert second is not None
    assert objects.swap("head", b"3", first) is None
    assert objects.get("head") == (b"2", second)
    assert objects.swap("other", b"1", first) is None


def test_an_object_that_has_not_changed_is_not_sent_again(objects: Objects) -> None:
    tag = objects.swap("head", b"1", None)
    with pytest.raises(Unchanged):
        objects.get("head", tag)
    objects.swap("head", b"2", tag)
    found = objects.get("head", tag)
    assert found is not None
    assert found[0] == b"2"


def test_what_is_not_there_is_none_and_can_be_deleted(objects: Objects) -> None:
    assert objects.get("none") is None
    objects.delete(["none"])
    objects.put("some/1", b"")
    objects.put("some/2", b"")
    assert [each.key for each in objects.list("some/")] == ["some/1", "some/2"]
    objects.delete(["some/1"])
    assert [each.key for each in objects.list("some/")] == ["some/2"]


def test_a_file_of_several_parts_comes_back_with_its_hash(objects: Objects, tmp_path: Path) -> None:
    content = bytes(range(256)) * 24_000  # more than the 5 MiB of one part
    (tmp_path / "file").write_bytes(content)
    digest = objects.upload("file", tmp_path / "file")
    assert objects.download("file", tmp_path / "back") == digest
    assert (tmp_path / "back").read_bytes() == content
    with pytest.raises(FileNotFoundError):
        objects.download("none", tmp_path / "none")


def test_a_store_that_does_not_answer_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    objects = Objects.at("s3://bucket")
    for ask in (
        lambda: objects.get("a"),
        lambda: objects.create("a", b""),
        lambda: objects.swap("a", b"", None),
        lambda: list(objects.list("a/")),
        lambda: objects.download("a", tmp_path / "a"),
    ):
        with pytest.raises(Unavailable, match="does not answer"):
            ask()
