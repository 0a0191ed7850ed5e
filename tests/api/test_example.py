"""`GET /datasets/{name}/example`: what it gives works, and says which columns there are."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.app import create_app
from service.settings import Settings
from service.tables.store import Tables
from tests.predict.tables import HOUSES, expected, publish
from tests.tables import revisions

pytestmark = pytest.mark.anyio


async def get(folder: Path, name: str) -> tuple[httpx.Response, httpx.Response]:
    """An example, and what is answered to its body."""
    app = create_app(Settings(artifacts_dir=folder))
    app.state.registry.prepare()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        example = await client.get(f"/datasets/{name}/example")
        body = example.json().get("body", {})
        return example, await client.post("/predict", json=body)


ROWS: list[list[Any]] = [[3, 1, "Oslo", "7"], [None, 0.0, None, "4021"], [1, 1, "Rome", None]]


async def test_the_body_holds_rows_that_the_serving_version_has_kept(tmp_path: Path) -> None:
    publish(tmp_path, instances=ROWS, targets=[0, 0, 0])
    example, answer = await get(tmp_path, "houses")
    assert example.json()["body"] == {
        "dataset": "houses",
        "instances": [
            {"rooms": 3, "new": True, "city": "Oslo", "zip": "7"},
            {"rooms": None, "new": False, "city": None, "zip": "4021"},
        ],
    }
    assert answer.json()["predictions"] == [expected(row) for row in ROWS[:2]]


async def test_the_schema_has_the_columns_by_their_types(tmp_path: Path) -> None:
    schema = HOUSES.model_copy(update={"task": "binary", "classes": ("cheap", "dear")})
    publish(tmp_path, schema, instances=ROWS, targets=[0, 0, 1])
    example = (await get(tmp_path, "houses"))[0].json()
    assert example["schema"]["properties"] == {
        "rooms": {"title": "rooms", "type": ["number", "null"]},
        "new": {"title": "new", "type": ["boolean", "null"]},
        "city": {"title": "city", "type": ["string", "null"]},
        "zip": {"title": "zip", "type": ["integer", "string", "null"]},
    }
    assert (example["target"], example["task"]) == ("price", "binary")
    assert example["classes"] == ["cheap", "dear"]


async def test_before_a_network_serves_the_rows_are_those_that_were_uploaded(
    tmp_path: Path,
) -> None:
    revisions.publish(Tables(tmp_path), "houses", features=("rooms", "area"))
    example, answer = await get(tmp_path, "houses")
    instances = [{"rooms": 1, "area": 1}, {"rooms": 2, "area": 2}]
    assert example.json()["body"] == {"dataset": "houses", "instances": instances}
    assert answer.status_code == 409


async def test_triples_have_an_example_whether_or_not_they_are_trained(tmp_path: Path) -> None:
    example, answer = await get(tmp_path, "triples")
    assert list(example.json()["body"]["instances"][0]) == ["x0", "x1", "x2"]
    assert example.json()["schema"]["required"] == ["x0", "x1", "x2"]
    assert answer.status_code == 409
    assert "POST /train" in answer.json()["detail"]


async def test_a_dataset_that_there_is_not_has_no_example(tmp_path: Path) -> None:
    assert (await get(tmp_path, "houses"))[0].status_code == 404
