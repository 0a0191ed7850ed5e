"""`/datasets`: what is told of a table that is removed at this moment."""

from pathlib import Path

import httpx
import pytest

from service.api.app import create_app
from service.settings import Settings
from service.tables.store import Tables
from tests.tables.revisions import publish

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("what", ["rows", "example"])
async def test_rows_of_a_table_that_is_removed_as_they_are_read_are_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    publish(Tables(tmp_path), "houses")
    app = create_app(Settings(artifacts_dir=tmp_path))
    app.state.registry.prepare()
    look = Tables.look

    def late(tables: Tables, name: str, number: int) -> Path:
        path = look(tables, name, number)
        tables.remove(name)
        return path

    monkeypatch.setattr(Tables, "look", late)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get(f"/datasets/houses/{what}")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "the rows of revision 1 of houses are gone"
