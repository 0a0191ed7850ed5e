"""Azure ML's inference server, as its deployments of MLflow are asked."""

from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest

from tests.predict.tables import expected
from tests.protocols.stand_ins import ROW, transposed, triples

pytestmark = pytest.mark.anyio

Predict = Callable[..., Coroutine[Any, Any, list[float]]]

NAMES = ["x0", "x1", "x2"]
TRIPLES = triples(3)
TURNED = [[row[2], row[0], row[1]] for row in TRIPLES]

FORMS: list[dict[str, Any]] = [
    {"input_data": {"columns": NAMES, "index": [0, 1, 2], "data": TRIPLES}},
    {"input_data": {"columns": ["x2", "x0", "x1"], "data": TURNED}},
    {"input_data": TRIPLES},
    {"input_data": transposed(TRIPLES, NAMES)},
    {"data": TRIPLES},
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: str(form)[:40])
async def test_the_answer_is_an_array_of_what_predict_says(
    client: httpx.AsyncClient, predict: Predict, form: dict[str, Any]
) -> None:
    answer = await client.post("/score", json=form)
    assert answer.json() == await predict(*TRIPLES)
    answer = await client.post("/score", json=form | {"params": {"model": "dense"}})
    assert answer.json() == await predict(*TRIPLES, model="dense")


async def test_rows_of_a_table_are_predicted(client: httpx.AsyncClient) -> None:
    answer = await client.post("/score?dataset=houses", json={"data": [ROW]})
    assert answer.json() == [expected([3, 1, "Oslo", "7"])]


async def test_the_id_of_the_client_comes_back(client: httpx.AsyncClient) -> None:
    headers = {"x-ms-client-request-id": "mine"}
    for body, status in (({"data": TRIPLES}, 200), ({}, 400)):
        answer = await client.post("/score", json=body, headers=headers)
        assert answer.status_code == status
        assert answer.headers["x-ms-client-request-id"] == "mine"
    assert "x-ms-client-request-id" not in (await client.post("/score", json={})).headers
    harmful = {"x-ms-client-request-id": "a b" + "z" * 2000}
    answer = await client.post("/score", json={"data": TRIPLES}, headers=harmful)
    assert "z" not in answer.headers["x-ms-client-request-id"]


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({}, 400, "input_data or data"),
        ({"data": [], "input_data": []}, 400, "not both"),
        ([], 400, "the body"),
        ({"data": []}, 400, "data: it is empty"),
        ({"data": [[1, 2]]}, 400, "data[0]"),
        ({"input_data": {"columns": ["x0"], "data": [[1]]}}, 400, "x1"),
        ({"input_data": {"columns": NAMES[::-1], "data": [[1, 2, "3"]]}}, 400, "input_data[0].x0"),
        ({"input_data": {"columns": NAMES}}, 400, "no such column"),
        ({"input_data": 5}, 400, "input_data"),
        ({"data": TRIPLES, "params": {"dataset": "nothing"}}, 404, "nothing"),
        ({"data": TRIPLES, "params": {"top": 1}}, 400, "params"),
    ],
)
async def test_what_is_wrong_is_refused_in_the_shape_of_azure(
    client: httpx.AsyncClient, body: Any, status: int, named: str
) -> None:
    answer = await client.post("/score", json=body)
    assert answer.status_code == status, answer.text
    assert [*answer.json()] == ["message"]
    assert named in answer.json()["message"]


async def test_other_content_types_and_methods_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/score", content=b"{}", headers={"Content-Type": "text/csv"})
    assert answer.status_code == 415
    assert [*answer.json()] == ["message"]
    answer = await client.get("/score")
    assert answer.status_code == 405
    assert [*answer.json()] == ["message"]
