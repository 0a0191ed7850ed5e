"""`GET /readyz`: which versions are damaged."""

import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from service.api import readiness
from service.api.app import create_app
from service.registry.versions import Registry
from service.settings import Settings
from service.tables.store import Tables
from tests.predict.tables import publish
from tests.registry.versions import fill, metadata

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setattr(readiness, "KEPT_SECONDS", 0.0)
    app = create_app(Settings(artifacts_dir=tmp_path))
    app.state.registry.prepare()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def damaged(client: httpx.AsyncClient) -> list[str]:
    """The damaged versions that are named."""
    named: list[str] = (await client.get("/readyz")).json()["damaged"]
    return [each.partition(":")[0] for each in named]


async def predict(client: httpx.AsyncClient, dataset: str) -> int:
    body = {"dataset": dataset, "instances": [{"rooms": 3}]}
    return (await client.post("/predict", json=body)).status_code


def truncate(folder: Path) -> None:
    (folder / "saved_model.pb").write_bytes(b"gra")


async def test_of_a_table_that_was_asked_for_all_damaged_versions_are_named(
    tmp_path: Path, client: httpx.AsyncClient
) -> None:
    for version in (1, 2):
        publish(tmp_path, version=version)
    truncate(tmp_path / "houses" / "dense" / "1")
    assert await damaged(client) == []
    assert await predict(client, "houses") == 200
    assert await damaged(client) == ["houses/dense/1"]


async def test_a_table_of_which_nothing_serves_since_all_is_damaged_is_named(
    tmp_path: Path, client: httpx.AsyncClient
) -> None:
    publish(tmp_path)
    truncate(tmp_path / "houses" / "dense" / "1")
    assert await predict(client, "houses") == 409
    assert await damaged(client) == ["houses/dense/1"]


async def test_triples_come_first_whether_or_not_they_were_asked_for(
    tmp_path: Path, client: httpx.AsyncClient
) -> None:
    fill(tmp_path / "triples" / "cross" / "1", metadata())
    publish(tmp_path, dataset="boats")
    for folder in ("triples/cross/1", "boats/dense/1"):
        truncate(tmp_path / folder)
    await predict(client, "boats")
    assert await damaged(client) == ["triples/cross/1", "boats/dense/1"]


async def test_what_is_removed_is_damaged_no_more(
    tmp_path: Path, client: httpx.AsyncClient
) -> None:
    publish(tmp_path)
    truncate(tmp_path / "houses" / "dense" / "1")
    await client.get("/models", params={"dataset": "houses"})
    assert await damaged(client) == ["houses/dense/1"]
    shutil.rmtree(tmp_path / "houses")
    assert await damaged(client) == []


async def test_a_table_that_is_removed_as_it_is_looked_at_does_not_make_the_folder_unusable(
    tmp_path: Path, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path)
    assert await predict(client, "houses") == 200
    missing = (await client.get("/readyz")).json()["missing"]
    lstat = Path.lstat

    def late(path: Path) -> object:
        if tmp_path / "houses" in path.parents and (tmp_path / "houses").exists():
            Tables(tmp_path).remove("houses")
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", late)
    assert (await client.get("/readyz")).json()["missing"] == missing
    assert not (tmp_path / "houses").exists()


async def test_a_look_at_what_is_damaged_that_takes_long_holds_up_no_answer(
    tmp_path: Path, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "DAMAGE_SECONDS", 0.01)
    fill(tmp_path / "triples" / "cross" / "1", metadata())
    truncate(tmp_path / "triples" / "cross" / "1")
    real, looks, go_on = Registry.damaged, list[bool](), threading.Event()

    def late(self: Registry) -> list[str]:
        looks.append(True)
        go_on.wait(30)
        return real(self)

    monkeypatch.setattr(Registry, "damaged", late)
    try:
        assert [await damaged(client), await damaged(client)] == [[], []]
    finally:
        go_on.set()
    monkeypatch.setattr(readiness, "DAMAGE_SECONDS", 30)
    assert await damaged(client) == ["triples/cross/1"]
    assert len(looks) == 1
