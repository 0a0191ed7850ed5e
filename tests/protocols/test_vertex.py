"""Vertex AI's custom containers, which are told where they will be asked."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.app import Crosscheck, create_app
from service.settings import Settings
from tests.predict.tables import expected
from tests.protocols.stand_ins import ROW, triples

pytestmark = pytest.mark.anyio

MODEL = "/v1/endpoints/123/deployedModels/456"
PREDICT = f"{MODEL}:predict"


@pytest.fixture(
    autouse=True, params=[(MODEL, PREDICT), ("/alive", "/my/model")], ids=["default", "chosen"]
)
def routes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    health, predict = request.param
    monkeypatch.setenv("AIP_ENDPOINT_ID", "123")
    monkeypatch.setenv("AIP_DEPLOYED_MODEL_ID", "456")
    if health != MODEL:
        monkeypatch.setenv("AIP_HEALTH_ROUTE", health)
        monkeypatch.setenv("AIP_PREDICT_ROUTE", predict)
    return health, predict


async def test_instances_are_predicted_on_its_route(
    client: httpx.AsyncClient, routes: tuple[str, str]
) -> None:
    rows = triples(3)
    own = await client.post("/predict", json={"instances": rows})
    answer = await client.post(routes[1], json={"instances": rows, "parameters": {}})
    assert answer.json() == {"predictions": own.json()["predictions"]}


async def test_parameters_say_who_is_to_answer(
    client: httpx.AsyncClient, routes: tuple[str, str]
) -> None:
    body = {"instances": [ROW], "parameters": {"dataset": "houses", "model": "dense", "version": 1}}
    answer = await client.post(routes[1], json=body)
    assert answer.json() == {"predictions": [expected([3, 1, "Oslo", "7"])]}


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({}, 400, "instances"),
        ({"instances": []}, 400, "instances: it is empty"),
        ({"instances": [[1, 2]]}, 400, "instances[0]"),
        ({"instances": [[1, 2, 3]], "parameters": {"top": 1}}, 400, "parameters"),
        ({"instances": [[1, 2, 3]], "parameters": {"dataset": "nothing"}}, 404, "nothing"),
    ],
)
async def test_what_is_wrong_is_refused(
    client: httpx.AsyncClient, routes: tuple[str, str], body: Any, status: int, named: str
) -> None:
    answer = await client.post(routes[1], json=body)
    assert answer.status_code == status
    assert [*answer.json()] == ["error"]
    assert named in answer.json()["error"]
    unnamed = await client.post(routes[1], content=b"{}", headers={"Content-Type": "text/csv"})
    assert unnamed.status_code == 415


async def test_its_health_route_says_whether_it_can_predict(
    app: Crosscheck, client: httpx.AsyncClient, routes: tuple[str, str]
) -> None:
    assert (await client.get(routes[0])).status_code == 503
    await app.predictor.following.of()
    app.state.readiness["predictions"]._looked_at = float("-inf")
    assert (await client.get(routes[0], headers={"Host": "10.0.0.1"})).status_code == 200


async def test_its_routes_are_documented(app: Crosscheck, routes: tuple[str, str]) -> None:
    paths = app.openapi()["paths"]
    assert "get" in paths[routes[0]]
    assert "post" in paths[routes[1]]


async def test_a_route_that_is_ours_already_is_answered_as_always(tmp_path: Path) -> None:
    app = create_app(Settings(artifacts_dir=tmp_path, health_route="/livez"))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.get("/livez")).json() == {"status": "ok"}
