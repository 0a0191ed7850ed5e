"""`infer` of the Open Inference Protocol, as its text and Triton's extension have it."""

import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.registry import promotion
from tests.predict.tables import expected
from tests.protocols.stand_ins import publish_triples, triples
from tests.registry.versions import OTHER_JOB

pytestmark = pytest.mark.anyio

Predict = Callable[..., Coroutine[Any, Any, list[float]]]

ROWS = triples(4)
FEATURES: dict[str, Any] = {
    "name": "features",
    "shape": [4, 3],
    "datatype": "FP64",
    "data": [value for row in ROWS for value in row],
}
HOUSE: list[dict[str, Any]] = [
    {"name": "rooms", "shape": [2], "datatype": "FP64", "data": [3, None]},
    {"name": "new", "shape": [2, 1], "datatype": "BOOL", "data": [True, False]},
    {"name": "city", "shape": [2], "datatype": "BYTES", "data": ["Oslo", ""]},
    {"name": "zip", "shape": [2, 1], "datatype": "INT64", "data": [[7], [7]]},
]

BINARY = {"parameters": {"binary_data_output": True}}


def raw(*parts: bytes, **header: Any) -> tuple[bytes, dict[str, str]]:
    """A body of JSON and raw bytes, and the header that tells them apart."""
    text = json.dumps(header).encode()
    return text + b"".join(parts), {"Inference-Header-Content-Length": str(len(text))}


def raw_input(name: str, datatype: str, shape: list[int], data: bytes) -> dict[str, Any]:
    size = {"binary_data_size": len(data)}
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": size}


@pytest.mark.parametrize("model", ["cross", "dense", "triples"])
async def test_triples_are_predicted_as_by_predict(
    client: httpx.AsyncClient, predict: Predict, model: str
) -> None:
    body = {"id": 'a"b', "inputs": [FEATURES], "outputs": [{"name": "predictions"}]}
    answer = await client.post(f"/v2/models/{model}/infer", json=body)
    assert answer.json() == {
        "model_name": model,
        "model_version": "1",
        "id": 'a"b',
        "outputs": [
            {
                "name": "predictions",
                "datatype": "FP32" if model == "dense" else "FP64",
                "shape": [4, 1],
                "data": await predict(*ROWS, model="dense" if model == "dense" else "cross"),
            }
        ],
    }
    assert answer.headers["content-type"] == "application/json"


async def test_nested_data_is_the_same_as_flat_data(client: httpx.AsyncClient) -> None:
    flat, nested = [
        (await client.post("/v2/models/cross/infer", json={"inputs": [given]})).json()["outputs"]
        for given in (FEATURES, FEATURES | {"data": ROWS})
    ]
    assert flat == nested


async def test_rows_of_a_table_have_a_tensor_for_each_column(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v2/models/houses/infer", json={"inputs": HOUSE})
    (output,) = answer.json()["outputs"]
    assert output["data"] == [expected([3, 1, "Oslo", "7"]), expected([None, 0, None, "7"])]


async def test_without_an_id_the_answer_has_that_of_the_request(client: httpx.AsyncClient) -> None:
    body = {"inputs": [FEATURES], "id": None, "parameters": None, "outputs": None}
    headers = {"X-Request-Id": "mine"}
    answer = await client.post("/v2/models/cross/infer", json=body, headers=headers)
    assert answer.json()["id"] == "mine"
    answer = await client.post("/v2/models/cross/infer", json=body)
    assert answer.json()["id"] == answer.headers["x-request-id"]


async def test_a_version_may_be_named(client: httpx.AsyncClient, tmp_path: Path) -> None:
    registry = publish_triples(tmp_path, "cross", 2, job_id=OTHER_JOB)
    promotion.promote(registry, "cross", 2)
    for path, version in (("cross", "2"), ("cross/versions/1", "1"), ("triples/versions/1", "1")):
        answer = await client.post(f"/v2/models/{path}/infer", json={"inputs": [FEATURES]})
        assert answer.json()["model_version"] == version
        assert answer.json()["model_name"] == path.partition("/")[0]


@pytest.mark.parametrize("datatype", ["FP64", "FP32", "FP16"])
async def test_tensors_may_be_raw_bytes_both_ways(
    client: httpx.AsyncClient, predict: Predict, datatype: str
) -> None:
    matrix = np.array(ROWS, f"<f{int(datatype[2:]) // 8}")
    data = matrix.tobytes()
    content, headers = raw(
        data, inputs=[raw_input("features", datatype, [4, 3], data)], id="x", **BINARY
    )
    answer = await client.post("/v2/models/cross/infer", content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    size = int(answer.headers["inference-header-content-length"])
    told = json.loads(answer.content[:size])
    assert told["id"] == "x"
    assert told["outputs"] == [
        {
            "name": "predictions",
            "datatype": "FP64",
            "shape": [4, 1],
            "parameters": {"binary_data_size": 32},
        }
    ]
    expected_predictions = await predict(*matrix.astype(float).tolist(), model="cross")
    assert np.frombuffer(answer.content[size:], "<f8").tolist() == expected_predictions


async def test_raw_and_json_tensors_may_stand_side_by_side(client: httpx.AsyncClient) -> None:
    words = b"\4\0\0\0Oslo\0\0\0\0"
    rooms = np.array([3, np.nan]).tobytes()
    inputs = [
        raw_input("city", "BYTES", [2], words),
        HOUSE[1],
        raw_input("rooms", "FP64", [2, 1], rooms),
        HOUSE[3],
    ]
    content, headers = raw(words, rooms, inputs=inputs)
    answer = await client.post("/v2/models/houses/infer", content=content, headers=headers)
    (output,) = answer.json()["outputs"]
    assert output["data"] == [expected([3, 1, "Oslo", "7"]), expected([None, 0, None, "7"])]


@pytest.mark.parametrize(
    ("request_wants", "output_wants", "is_binary"),
    [
        (None, None, False),
        (True, None, True),
        (None, True, True),
        (True, False, False),
        (False, True, True),
    ],
)
async def test_what_an_output_wants_counts_more_than_what_the_request_wants(
    client: httpx.AsyncClient,
    request_wants: bool | None,
    output_wants: bool | None,
    is_binary: bool,
) -> None:
    body: dict[str, Any] = {"inputs": [FEATURES]}
    if request_wants is not None:
        body["parameters"] = {"binary_data_output": request_wants}
    if output_wants is not None:
        wanted = {"name": "predictions", "parameters": {"binary_data": output_wants}}
        body["outputs"] = [wanted]
    answer = await client.post("/v2/models/cross/infer", json=body)
    assert ("inference-header-content-length" in answer.headers) == is_binary


BAD: list[tuple[Any, str]] = [
    ({}, "`inputs`"),
    ([], "the body"),
    ({"inputs": []}, "inputs: it is empty"),
    ({"inputs": {}}, "inputs"),
    ({"inputs": [FEATURES | {"shape": [5, 3]}]}, "12 values do not fill the shape [5, 3]"),
    ({"inputs": [FEATURES | {"shape": [-4, 3]}]}, "shape"),
    ({"inputs": [FEATURES | {"shape": [3, 4]}]}, "shape must be [3, 3], received [3, 4]"),
    ({"inputs": [FEATURES | {"shape": [0, 3], "data": []}]}, "rows: it is empty"),
    ({"inputs": [FEATURES | {"shape": "x"}]}, "inputs[0].shape"),
    ({"inputs": [FEATURES | {"datatype": "BYTES"}]}, "must be a number, received BYTES"),
    ({"inputs": [FEATURES | {"datatype": "X"}]}, '"X" is not known'),
    ({"inputs": [FEATURES | {"data": ["1"] * 12}]}, "data[0]: Expected"),
    ({"inputs": [FEATURES | {"data": [1e300] * 12}]}, "rows[0]: its prediction is not a finite"),
    ({"inputs": [FEATURES | {"name": "feature"}]}, "no such column"),
    ({"inputs": [FEATURES, FEATURES]}, "features"),
    ({"inputs": [{"name": "x0", "shape": [1], "datatype": "FP64", "data": [1]}]}, "x1"),
    ({"inputs": [FEATURES | {"parameters": {"binary_data_size": 96}}]}, "binary_data_size"),
    ({"inputs": [{**raw_input("features", "FP64", [1, 3], bytes(24))}]}, "binary_data_size"),
    ({"inputs": [{"name": "features", "shape": [1, 3], "datatype": "FP64"}]}, "neither data nor"),
    ({"inputs": [FEATURES], "outputs": [{"name": "other"}]}, "outputs[0]: predictions is the only"),
    ({"inputs": [FEATURES], "outputs": [{"name": "predictions"}] * 2}, "outputs[1]"),
    (
        {
            "inputs": [FEATURES],
            "outputs": [{"name": "predictions", "parameters": {"classification": 3}}],
        },
        "classification",
    ),
    ({"inputs": [FEATURES], "id": 5}, "id"),
    (b"", "not JSON"),
    (b"{", "not JSON"),
    (b"\xef\xbb\xbf\xef\xbb\xbf{}", "not JSON"),
]


@pytest.mark.parametrize(("body", "named"), BAD, ids=[str(body)[:60] for body, _ in BAD])
async def test_what_is_wrong_is_refused_in_the_shape_of_the_protocol(
    client: httpx.AsyncClient, body: Any, named: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body)
    answer = await client.post("/v2/models/cross/infer", content=content)
    assert answer.status_code == 400, answer.text
    assert [*answer.json()] == ["error"]
    assert named in answer.json()["error"]
    assert len(answer.content) < 1000


@pytest.mark.parametrize("wrong", [-1, -25, 10**9, "x", "-1", "", "1" * 5000])
async def test_a_length_of_the_json_that_cannot_be_is_refused(
    client: httpx.AsyncClient, wrong: int | str
) -> None:
    data = bytes(24)
    content, headers = raw(data, inputs=[raw_input("features", "FP64", [1, 3], data)])
    if isinstance(wrong, int):
        wrong = str(int(headers["Inference-Header-Content-Length"]) + wrong)
    headers = {"Inference-Header-Content-Length": wrong}
    answer = await client.post("/v2/models/cross/infer", content=content, headers=headers)
    assert answer.status_code == 400
    assert [*answer.json()] == ["error"]


@pytest.mark.parametrize(
    ("size", "sent", "named"),
    [
        (24, 23, "no such number of bytes"),
        (24, 25, "25 raw bytes, and its inputs 24"),
        (16, 16, "16 bytes of FP64 do not fill"),
        (-24, 24, "no such number of bytes"),
        (10**30, 24, "binary_data_size"),
    ],
)
async def test_raw_bytes_must_be_as_many_as_is_said(
    client: httpx.AsyncClient, size: int, sent: int, named: str
) -> None:
    given = raw_input("features", "FP64", [1, 3], b"")
    given["parameters"]["binary_data_size"] = size
    content, headers = raw(bytes(sent), inputs=[given])
    answer = await client.post("/v2/models/cross/infer", content=content, headers=headers)
    assert answer.status_code == 400
    assert named in answer.json()["error"]


@pytest.mark.parametrize(
    ("place", "status", "named"),
    [
        ("nothing", 404, "nothing"),
        ("houses.cross", 404, "POST /train"),
        ("a.b", 404, "a.b"),
        ("cross/versions/99", 404, "99"),
        ("cross/versions/x", 400, "whole number"),
        ("x%0Ay", 404, "x\\ny"),
    ],
)
async def test_what_is_not_there_is_not_found(
    client: httpx.AsyncClient, place: str, status: int, named: str
) -> None:
    answer = await client.post(f"/v2/models/{place}/infer", json={"inputs": [FEATURES]})
    assert answer.status_code == status
    assert named.replace("\\", "\\\\") in json.dumps(answer.json()["error"])


async def test_too_many_rows_are_refused(client: httpx.AsyncClient) -> None:
    many = FEATURES | {"shape": [100_001, 3], "data": [0] * 300_003}
    answer = await client.post("/v2/models/cross/infer", json={"inputs": [many]})
    assert answer.status_code == 413
    assert "rows: more than 100000 rows" in answer.json()["error"]


async def test_a_large_body_is_answered_as_a_small_one(
    client: httpx.AsyncClient, predict: Predict
) -> None:
    rows = triples(20_000)
    data = np.array(rows).tobytes()
    content, headers = raw(data, inputs=[raw_input("features", "FP64", [20_000, 3], data)])
    in_json = json.dumps({"inputs": [FEATURES | {"shape": [20_000, 3], "data": rows}]})
    of_predict = await predict(*rows, model="cross")
    for body, head in ((content, headers), (in_json.encode(), {})):
        answer = await client.post("/v2/models/cross/infer", content=body, headers=head)
        assert answer.json()["outputs"][0]["data"] == of_predict


async def test_a_parameter_in_the_query_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v2/models/cross/infer?version=1", json={"inputs": [FEATURES]})
    assert answer.status_code == 400
    assert answer.json() == {"error": '"version" is no parameter of this'}
