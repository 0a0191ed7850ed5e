"""Health and metadata of the Open Inference Protocol."""

import asyncio
from pathlib import Path

import httpx
import pytest

from service.api.app import Crosscheck
from service.registry import promotion
from tests.protocols.stand_ins import publish_triples
from tests.registry.versions import OTHER_JOB

pytestmark = pytest.mark.anyio


async def test_the_server_is_live_and_ready_once_it_has_looked(
    app: Crosscheck, client: httpx.AsyncClient
) -> None:
    assert (await client.get("/v2/health/live")).json() == {"live": True}
    before = await client.get("/v2/health/ready")
    assert (before.status_code, before.json()) == (503, {"ready": False})
    await app.predictor.following.of()
    app.state.readiness["predictions"]._looked_at = float("-inf")
    after = await client.get("/v2/health/ready")
    assert (after.status_code, after.json()) == (200, {"ready": True})
    app.state.stopping = asyncio.Event()
    app.state.stopping.set()
    assert (await client.get("/v2/health/ready")).status_code == 503


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
async def test_the_server_says_what_it_is(client: httpx.AsyncClient, path: str) -> None:
    told = (await client.get(path)).json()
    assert told["name"] == "crosscheck"
    assert told["version"]
    assert told["extensions"] == ["binary_tensor_data"]


@pytest.mark.parametrize(("model", "datatype"), [("cross", "FP64"), ("dense", "FP32")])
async def test_a_network_of_triples_takes_a_matrix(
    client: httpx.AsyncClient, model: str, datatype: str
) -> None:
    assert (await client.get(f"/v2/models/{model}")).json() == {
        "name": model,
        "versions": ["1"],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "features", "datatype": datatype, "shape": [-1, 3]}],
        "outputs": [{"name": "predictions", "datatype": datatype, "shape": [-1, 1]}],
    }


async def test_a_network_of_a_table_takes_a_vector_for_each_column(
    client: httpx.AsyncClient,
) -> None:
    told = (await client.get("/v2/models/houses/versions/1")).json()
    types = {"rooms": "FP64", "new": "FP64", "city": "BYTES", "zip": "BYTES"}
    assert told["inputs"] == [
        {"name": name, "datatype": datatype, "shape": [-1]} for name, datatype in types.items()
    ]


async def test_all_versions_are_listed_the_one_that_is_asked_for_first(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    for version in (2, 3):
        registry = publish_triples(tmp_path, "cross", version, job_id=OTHER_JOB)
    promotion.promote(registry, "cross", 2)
    assert (await client.get("/v2/models/cross")).json()["versions"] == ["2", "3", "1"]
    assert (await client.get("/v2/models/cross/versions/1")).json()["versions"] == ["1", "3", "2"]


@pytest.mark.parametrize("model", ["cross", "houses", "houses.dense", "cross/versions/1"])
async def test_a_model_that_can_be_asked_is_ready(client: httpx.AsyncClient, model: str) -> None:
    answer = await client.get(f"/v2/models/{model}/ready")
    assert answer.json() == {"name": model.partition("/")[0], "ready": True}


@pytest.mark.parametrize(
    ("place", "status"),
    [
        ("nothing", 404),
        ("houses.cross", 404),
        ("cross/versions/99", 404),
        ("cross/versions/x", 400),
        ("x%0Ay", 404),
    ],
)
async def test_what_cannot_be_asked_is_refused_in_the_shape_of_the_protocol(
    client: httpx.AsyncClient, place: str, status: int
) -> None:
    for below in ("", "/ready"):
        answer = await client.get(f"/v2/models/{place}{below}")
        assert answer.status_code == status
        assert [*answer.json()] == ["error"]


async def test_the_index_lists_what_serves(client: httpx.AsyncClient) -> None:
    for body in (b"", b'{"ready": true}'):
        answer = await client.post("/v2/repository/index", content=body)
        assert answer.json() == [
            {"name": "triples", "state": "READY", "reason": ""},
            {"name": "dense", "version": "1", "state": "READY", "reason": ""},
            {"name": "cross", "version": "1", "state": "READY", "reason": ""},
            {"name": "clicks", "state": "READY", "reason": ""},
            {"name": "clicks.dense", "version": "1", "state": "READY", "reason": ""},
            {"name": "houses", "state": "READY", "reason": ""},
            {"name": "houses.dense", "version": "1", "state": "READY", "reason": ""},
        ]


async def test_other_paths_and_methods_are_refused_in_its_shape(client: httpx.AsyncClient) -> None:
    for method, path, status in (
        ("GET", "/v2/models/cross/infer", 405),
        ("POST", "/v2/models/cross", 405),
        ("POST", "/v2/models/cross/generate", 404),
        ("GET", "/v2/nothing", 404),
        ("POST", "/v2", 405),
    ):
        answer = await client.request(method, path)
        assert answer.status_code == status, path
        assert [*answer.json()] == ["error"], path
