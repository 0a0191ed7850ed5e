"""TensorFlow Serving's REST API, as its documentation and its sources have it."""

import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.app import Crosscheck
from service.registry import promotion
from service.registry.versions import Registry
from tests.predict.tables import expected, publish
from tests.protocols.stand_ins import ROW, publish_triples, transposed, triples
from tests.registry.versions import OTHER_JOB

pytestmark = pytest.mark.anyio

Predict = Callable[..., Coroutine[Any, Any, list[float]]]

NAMES = ("x0", "x1", "x2")
TRIPLES = triples(5)

FORMS: dict[str, dict[str, Any]] = {
    "rows": {"instances": TRIPLES},
    "rows by the input": {"instances": [{"features": row} for row in TRIPLES]},
    "rows by column": {
        "instances": [dict(zip(reversed(NAMES), reversed(row), strict=True)) for row in TRIPLES]
    },
    "the input": {"inputs": TRIPLES},
    "the input by its name": {"inputs": {"features": TRIPLES}},
    "columns": {"inputs": transposed(TRIPLES, NAMES)},
}


@pytest.mark.parametrize("model", ["cross", "dense", "triples", "triples.dense"])
@pytest.mark.parametrize("form", FORMS)
async def test_triples_are_predicted_as_by_predict_in_every_form(
    client: httpx.AsyncClient, predict: Predict, form: str, model: str
) -> None:
    answer = await client.post(f"/v1/models/{model}:predict", json=FORMS[form])
    network = "dense" if model.endswith("dense") else "cross"
    nested = [[each] for each in await predict(*TRIPLES, model=network)]
    assert answer.json() == {"outputs" if "inputs" in FORMS[form] else "predictions": nested}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-model"] == network


async def test_rows_and_columns_of_a_table_are_predicted(client: httpx.AsyncClient) -> None:
    both = [expected([3, 1, "Oslo", "7"]), expected([None, 0, None, "7"])]
    rows = {"instances": [ROW, {"new": 0, "rooms": None, "zip": "07"}]}
    answer = await client.post("/v1/models/houses:predict", json=rows)
    assert answer.json() == {"predictions": [[each] for each in both]}
    columns = {"rooms": [3, None], "new": [True, 0], "city": ["Oslo", ""], "zip": [7, "7"]}
    answer = await client.post("/v1/models/houses.dense:predict", json={"inputs": columns})
    assert answer.json() == {"outputs": [[each] for each in both]}


@pytest.mark.parametrize("content_type", ["", "application/x-www-form-urlencoded", "text/csv"])
async def test_the_content_type_is_passed_over(
    client: httpx.AsyncClient, content_type: str
) -> None:
    answer = await client.post(
        "/v1/models/cross:predict",
        content=b'\xef\xbb\xbf{"signature_name": "", "instances": [[1, 2, 3]], "unknown": 1}',
        headers={"Content-Type": content_type},
    )
    assert answer.status_code == 200, answer.text


async def test_numbers_are_as_short_as_their_precision_allows(
    client: httpx.AsyncClient, predict: Predict
) -> None:
    rows = {"instances": [[0.1, 0.2, 0.3]]}
    text = (await client.post("/v1/models/dense:predict", json=rows)).text
    assert len(text) < len('{"predictions":[[-1.2345678901]]}')
    whole = (await client.post("/v1/models/houses:predict", json={"instances": [ROW]})).text
    assert whole == '{"predictions":[[4213.0]]}'


async def test_regress_takes_examples_and_what_they_share(client: httpx.AsyncClient) -> None:
    asked = {"context": {"zip": 7}, "examples": [{"rooms": 3, "city": ["Oslo"]}, {"zip": "4021"}]}
    answer = await client.post("/v1/models/houses:regress", json=asked)
    first, second = expected([3, None, "Oslo", "7"]), expected([None, None, None, "4021"])
    assert answer.json() == {"results": [first, second]}


async def test_regress_takes_triples(client: httpx.AsyncClient, predict: Predict) -> None:
    by_column = [dict(zip(NAMES, row, strict=True)) for row in TRIPLES]
    for examples in (by_column, [{"features": row} for row in TRIPLES]):
        answer = await client.post("/v1/models/cross:regress", json={"examples": examples})
        assert answer.json() == {"results": await predict(*TRIPLES, model="cross")}


async def test_classify_says_how_probable_both_classes_are(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/models/clicks:classify", json={"examples": [{"age": -19.5}]})
    (probability,) = [expected([-19.5, None])]
    assert answer.json() == {"results": [[["no", 1 - probability], ['ye"s', probability]]]}
    refused = await client.post("/v1/models/houses:classify", json={"examples": [ROW]})
    assert refused.status_code == 400
    assert ":regress" in refused.json()["error"]


async def test_a_version_is_named_by_its_number_or_its_label(
    app: Crosscheck, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    registry = publish_triples(tmp_path, "cross", 2, job_id=OTHER_JOB)
    for number in (1, 2):
        promotion.promote(registry, "cross", number)

    async def version(path: str) -> str:
        answer = await client.post(f"/v1/models/{path}:predict", json={"instances": [[1, 2, 3]]})
        assert answer.status_code == 200, answer.text
        return str(answer.headers["x-model-version"])

    for model in ("cross", "triples"):
        assert await version(model) == await version(f"{model}/labels/serving") == "2"
        assert await version(f"{model}/labels/previous") == "1"
        assert await version(f"{model}/versions/1") == "1"
        assert await version(f"{model}/versions/02") == "2"
    promotion.promote(registry, "cross", 1)
    await app.predictor.following.of()
    assert await version("cross/labels/previous") == "2"


async def test_a_label_follows_what_serves_of_a_table(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    registry = publish(tmp_path, version=2, bias=1.0, job_id=OTHER_JOB)
    for number, other in ((1, 2), (2, 1)):
        promotion.promote(registry, "dense", number)
        await _swapped(client, number)
        path = "/v1/models/houses/labels/previous:predict"
        answer = await client.post(path, json={"instances": [ROW]})
        if number == 1:
            assert answer.json() == {"predictions": [[expected([3, 1, "Oslo", "7"], bias=1.0)]]}
        assert answer.headers["x-model-version"] == str(other)


async def _swapped(client: httpx.AsyncClient, number: int) -> None:
    status = await client.get("/models?dataset=houses")
    assert status.json()["default"]["version"] == number


BAD: list[tuple[str, Any, int, str]] = [
    ("cross", {}, 400, "Missing 'inputs' or 'instances' key"),
    ("cross", [], 400, "the body: Expected `object`, got `array`"),
    ("cross", {"instances": [], "inputs": []}, 400, "only one of"),
    ("cross", {"instances": []}, 400, "instances: it is empty"),
    ("cross", {"inputs": []}, 400, "inputs: it is empty"),
    ("cross", {"inputs": {}}, 400, "it is missing"),
    ("houses", {"inputs": {}}, 400, "inputs: it is empty"),
    ("cross", {"instances": [[1, 2]]}, 400, "instances[0]"),
    ("cross", {"instances": [[1, 2, 3], [1, 2, "3"]]}, 400, "instances[1][2]"),
    ("cross", {"inputs": [[1, 2, 3], [1, 2, None]]}, 400, "inputs[1][2]"),
    ("cross", {"instances": [{"features": [1, 2]}]}, 400, "instances[0].features"),
    ("cross", {"instances": [{"features": [1, 2, 3], "x": 1}]}, 400, "instances[0]"),
    ("cross", {"inputs": {"features": [[1, 2, "3"]]}}, 400, "inputs[0][2]"),
    ("cross", {"inputs": {"x0": [1], "x1": [1]}}, 400, "x2"),
    ("cross", {"inputs": {"x0": 1, "x1": [1], "x2": [1]}}, 400, "inputs[...]"),
    ("cross", {"instances": 5}, 400, "instances"),
    ("cross", {"inputs": None}, 400, "inputs"),
    ("cross", {"instances": [[1, 2, 3]], "signature_name": "other"}, 400, "other"),
    ("cross", {"instances": [[1, 2, 3]], "signature_name": 5}, 400, "signature_name"),
    ("houses", {"instances": [{"room": 3}]}, 400, "did you mean rooms"),
    ("houses", {"inputs": {"rooms": ["3"]}}, 400, "inputs[0].rooms: must be a number"),
    ("houses", {"inputs": {"rooms": [1], "new": [1, 0]}}, 400, "one length"),
    ("cross", b"", 400, "not JSON"),
    ("cross", b"{", 400, "not JSON"),
    ("cross", b'{"instances": [[NaN, 1, 1]]}', 400, "not JSON"),
    ("cross", b'{"inputs": {"x0": [1e999], "x1": [1], "x2": [1]}}', 400, "inputs[0].x0"),
    ("cross", b'{"inputs": {"x0": [1' + b"0" * 5000 + b'], "x1": [1], "x2": [1]}}', 400, "inputs"),
    ("cross", b'{"instances": [[1e300, 1, 1]]}', 400, "instances[0]: its prediction is not"),
    ("cross", b'{"instances": ' + b"[" * 90_000, 400, "not JSON"),
    ("dense.cross", {"instances": [[1, 2, 3]]}, 404, "request: Latest(dense.cross)"),
    ("nothing", {"instances": [[1, 2, 3]]}, 404, "Servable not found for request: Latest(nothing)"),
    ("houses.cross", {"instances": [ROW]}, 404, "Latest(houses.cross): the model cross has no"),
    ("no%0Athing", {"instances": [[1, 2, 3]]}, 404, "Latest(no\\nthing)"),
    ("cross/versions/99", {"instances": [[1, 2, 3]]}, 404, "Specific(cross, 99)"),
    ("cross/versions/0", {"instances": [[1, 2, 3]]}, 404, "Specific(cross, 0)"),
    ("cross/versions/x", {"instances": [[1, 2, 3]]}, 400, "whole number"),
    ("cross/labels/stable", {"instances": [[1, 2, 3]]}, 400, "version label: stable"),
    ("cross/labels/previous", {"instances": [[1, 2, 3]]}, 400, "version label: previous"),
    ("cross", {"instances": [[1, 2, 3]] * 100_001}, 413, "100000 rows"),
    ("cross", {"instances": [[1, 2, 3]] * 200_001}, 413, "more than 100000 rows"),
    ("cross", {"inputs": {"features": [[1, 2, 3]] * 100_001}}, 413, "100000 rows"),
    ("cross", {"inputs": {name: [1] * 100_001 for name in NAMES}}, 413, "100000 rows"),
]


@pytest.mark.parametrize(
    ("model", "body", "status", "named"), BAD, ids=[f"{bad[0]} {str(bad[1])[:40]}" for bad in BAD]
)
async def test_what_is_wrong_is_refused_in_the_shape_of_tensorflow_serving(
    client: httpx.AsyncClient, model: str, body: Any, status: int, named: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body)
    answer = await client.post(f"/v1/models/{model}:predict", content=content)
    assert answer.status_code == status, answer.text
    assert [*answer.json()] == ["error"]
    assert named in answer.json()["error"]
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.content) < 1000


@pytest.mark.parametrize(
    ("model", "body", "named"),
    [
        ("houses", {}, "examples"),
        ("houses", {"examples": []}, "examples: it is empty"),
        ("houses", {"examples": [1]}, "examples[0]"),
        ("houses", {"examples": [{"rooms": "3"}]}, "examples[0].rooms"),
        ("houses", {"examples": [{"rooms": [3, 4]}]}, "examples[0].rooms"),
        ("houses", {"examples": [{}], "context": {"price": 1}}, "the target"),
        ("cross", {"examples": [{"x0": 1, "x1": 2}]}, "x2"),
        ("cross", {"examples": [{"x0": 1, "x1": 2, "x2": 3}, {"x0": 1}]}, "examples[1].x1"),
        (
            "cross",
            {"examples": [{"features": [1, 2]}]},
            "examples[0]: Expected `array` of length 3",
        ),
    ],
)
async def test_examples_that_are_wrong_are_refused(
    client: httpx.AsyncClient, model: str, body: Any, named: str
) -> None:
    answer = await client.post(f"/v1/models/{model}:regress", json=body)
    assert answer.status_code == 400, answer.text
    assert named in answer.json()["error"]


async def test_names_of_no_column_cost_no_memory(client: httpx.AsyncClient) -> None:
    examples = [{str(number): 1} for number in range(5000)]  # 25 million values, if taken
    answer = await client.post("/v1/models/houses:regress", json={"examples": examples})
    assert answer.json()["error"].startswith('column "0": there is no such column')


async def test_a_parameter_in_the_query_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/models/cross:predict?version=1", json={"instances": TRIPLES})
    assert answer.status_code == 400
    assert answer.json() == {"error": '"version" is no parameter of this'}


async def test_other_verbs_paths_and_methods_are_refused_in_its_shape(
    client: httpx.AsyncClient,
) -> None:
    for method, path, status in (
        ("POST", "/v1/models/cross:explain", 400),
        ("POST", "/v1/models/cross/versions/1", 405),
        ("GET", "/v1/models/cross:predict", 405),
        ("PUT", "/v1/models/cross", 405),
        ("GET", "/v1/models", 404),
        ("POST", "/v1/models/:predict", 404),
        ("POST", "/v1/models/cross:predict/", 404),
        ("POST", "/v1/models/cross:predict%0A", 404),
    ):
        answer = await client.request(method, path)
        assert answer.status_code == status, path
        assert [*answer.json()] == ["error"], path


async def test_faults_of_ours_and_of_the_disk_are_told_in_its_shape(
    app: Crosscheck, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, status in ((RuntimeError("secret"), 500), (OSError(5, "I/O error"), 503)):

        def fail(*_: object, fault: Exception = error) -> None:
            raise fault

        monkeypatch.setattr(Registry, "state", fail)
        answer = await client.post("/v1/models/cross:predict", json={"instances": TRIPLES})
        assert answer.status_code == status
        assert [*answer.json()] == ["error"]
        assert "secret" not in answer.text
