"""MLflow's scoring protocol, which SageMaker's containers speak, too."""

import json
from collections.abc import Callable, Coroutine
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.app import Crosscheck, create_app
from service.settings import Settings
from tests.predict.tables import expected
from tests.protocols.stand_ins import ROW, publish_all, transposed, triples

pytestmark = pytest.mark.anyio

Predict = Callable[..., Coroutine[Any, Any, list[float]]]

NAMES = ["x0", "x1", "x2"]
TRIPLES = triples(5)
TURNED = [[row[2], row[0], row[1]] for row in TRIPLES]
RECORDS = [dict(zip(NAMES, row, strict=True)) for row in TRIPLES]

FORMS: list[dict[str, Any]] = [
    {"dataframe_split": {"columns": NAMES, "data": TRIPLES}},
    {"dataframe_split": {"columns": ["x2", "x0", "x1"], "index": [0, 1], "data": TURNED}},
    {"dataframe_split": {"columns": [0, 1, 2], "data": TRIPLES}},
    {"dataframe_split": {"data": TRIPLES}},
    {"dataframe_records": RECORDS},
    {"instances": TRIPLES},
    {"instances": RECORDS},
    {"inputs": TRIPLES},
    {"inputs": transposed(TRIPLES, NAMES)},
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: str(form)[:50])
async def test_triples_are_predicted_as_by_predict_in_every_form(
    client: httpx.AsyncClient, predict: Predict, form: dict[str, Any]
) -> None:
    for params in ({}, {"model": "dense"}):
        answer = await client.post("/invocations", json=form | {"params": params, "other": 1})
        assert answer.json() == {"predictions": await predict(*TRIPLES, **params)}
    answer = await client.post("/invocations?model=dense&version=1", json=form)
    assert answer.json() == {"predictions": await predict(*TRIPLES, model="dense")}


async def test_csv_is_predicted(client: httpx.AsyncClient, predict: Predict) -> None:
    lines = [",".join(NAMES), *(",".join(map(str, row)) for row in TRIPLES)]
    answer = await client.post(
        "/invocations",
        content="\n".join(lines),
        headers={"Content-Type": "text/csv; charset=utf-8"},
    )
    assert answer.json() == {"predictions": await predict(*TRIPLES)}


async def test_a_data_frame_of_a_table_may_lack_columns_and_values(
    client: httpx.AsyncClient,
) -> None:
    frame = {"columns": ["zip", "rooms"], "data": [[7, 3], ["4021", None]]}
    body = {"dataframe_split": frame, "params": {"dataset": "houses"}}
    answer = await client.post("/invocations", json=body)
    first, second = expected([3, None, None, "7"]), expected([None, None, None, "4021"])
    assert answer.json() == {"predictions": [first, second]}


async def test_a_container_of_one_dataset_need_not_be_told_which(tmp_path: Path) -> None:
    publish_all(tmp_path)
    app = create_app(Settings(artifacts_dir=tmp_path, default_dataset="houses"))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.post("/invocations", json={"dataframe_records": [ROW]})
        assert answer.json() == {"predictions": [expected([3, 1, "Oslo", "7"])]}
        body = {"instances": TRIPLES, "params": {"dataset": "triples"}}
        assert (await client.post("/invocations", json=body)).status_code == 200


BAD: list[tuple[Any, int, str]] = [
    ({}, 400, "one of dataframe_split, dataframe_records, instances, inputs; received none"),
    ({"inputs": [], "instances": []}, 400, "received instances and inputs"),
    ([], 400, "the body"),
    (b"", 400, "not JSON"),
    ({"dataframe_split": {"columns": NAMES}}, 400, "`data`"),
    ({"dataframe_split": []}, 400, "dataframe_split"),
    ({"dataframe_split": {"columns": NAMES, "data": []}}, 400, "dataframe_split.data: it is empty"),
    ({"dataframe_split": {"columns": ["x2", "x1", "x0"], "data": []}}, 400, "it is empty"),
    ({"dataframe_split": {"columns": ["x2", "x0"], "data": [[1, 2]]}}, 400, "x1"),
    ({"dataframe_split": {"columns": ["x2", "x2", "x0", "x1"], "data": []}}, 400, "more than once"),
    ({"dataframe_split": {"columns": [1, 2, 3], "data": [[1, 2, 3]]}}, 400, "no such column"),
    (
        {"dataframe_split": {"columns": ["x2", "x1", "x0"], "data": [[1, 2, 3], [1, 2]]}},
        400,
        "dataframe_split.data[1]: must hold 3 values",
    ),
    (
        {"dataframe_split": {"columns": ["x2", "x1", "x0"], "data": [[1, 2, "3"]]}},
        400,
        "dataframe_split.data[0].x0",
    ),
    ({"dataframe_split": {"columns": ["x2", "x1", "x0"], "data": [5]}}, 400, "data[0]"),
    ({"dataframe_records": [{"x0": 1}]}, 400, "dataframe_records[0].x1"),
    ({"instances": [[1, 2]]}, 400, "instances[0]"),
    ({"inputs": {"x0": [1]}}, 400, "x1"),
    ({"instances": TRIPLES, "params": {"dataset": "nothing"}}, 404, "nothing"),
    ({"instances": TRIPLES, "params": {"rows": 1}}, 400, "params"),
    ({"instances": TRIPLES, "params": {"version": 1}}, 400, "version"),
    ({"instances": [ROW], "params": {"dataset": "houses", "model": "cross"}}, 409, "POST /train"),
    ({"dataframe_split": {"data": [[1, 2, 3]] * 100_001}}, 413, "100000 rows"),
]


@pytest.mark.parametrize(("body", "status", "named"), BAD, ids=[str(bad[0])[:60] for bad in BAD])
async def test_what_is_wrong_is_refused_in_the_shape_of_mlflow(
    client: httpx.AsyncClient, body: Any, status: int, named: str
) -> None:
    answer = await client.post(
        "/invocations",
        content=body if isinstance(body, bytes) else json.dumps(body),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == status, answer.text
    assert [*answer.json()] == ["error_code", "message"]
    assert named in answer.json()["message"]


@pytest.mark.parametrize(
    ("content_type", "query", "status"),
    [
        ("", "", 415),
        ("application/x-npy", "", 415),
        ("application/json; charset=latin-1", "", 415),
        ("application/json", "?datase=triples", 400),
        ("text/csv", "?model=linear", 400),
        ("text/csv", "", 400),
    ],
)
async def test_other_content_types_and_parameters_are_refused(
    client: httpx.AsyncClient, content_type: str, query: str, status: int
) -> None:
    answer = await client.post(
        f"/invocations{query}",
        content=b'{"instances": [[1, 2, 3]]}',
        headers={"Content-Type": content_type},
    )
    assert answer.status_code == status
    assert [*answer.json()] == ["error_code", "message"]


async def test_who_answers_may_be_named_in_one_place_only(client: httpx.AsyncClient) -> None:
    body = {"instances": TRIPLES, "params": {"model": "cross"}}
    answer = await client.post("/invocations?model=cross", json=body)
    assert answer.status_code == 400
    assert "they are in the body and in the URL's query" in answer.json()["message"]


@pytest.mark.parametrize("path", ["/ping", "/health"])
async def test_it_answers_with_an_empty_body_whether_it_can_predict(
    app: Crosscheck, client: httpx.AsyncClient, path: str
) -> None:
    assert (await client.get(path)).status_code == 503
    await app.predictor.following.of()
    app.state.readiness["predictions"]._looked_at = float("-inf")
    answer = await client.get(path)
    assert (answer.status_code, answer.content) == (200, b"")


async def test_it_tells_its_version(client: httpx.AsyncClient) -> None:
    answer = await client.get("/version")
    assert (answer.status_code, answer.text) == (200, version("crosscheck"))
    assert answer.headers["content-type"].startswith("text/plain")


async def test_other_methods_are_refused_in_the_shape_of_mlflow(client: httpx.AsyncClient) -> None:
    for method, path in (("GET", "/invocations"), ("POST", "/ping"), ("POST", "/version")):
        answer = await client.request(method, path)
        assert answer.status_code == 405
        assert [*answer.json()] == ["error_code", "message"]
