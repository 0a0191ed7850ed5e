"""A model's status and metadata, as TensorFlow Serving's clients read them."""

from pathlib import Path

import httpx
import pytest

from service.registry import promotion
from tests.protocols.stand_ins import publish_triples
from tests.registry.versions import OTHER_JOB

pytestmark = pytest.mark.anyio


def available(*versions: str) -> dict[str, object]:
    fine = {"error_code": "OK", "error_message": ""}
    return {
        "model_version_status": [
            {"version": version, "state": "AVAILABLE", "status": fine} for version in versions
        ]
    }


@pytest.mark.parametrize("model", ["cross", "triples", "houses", "houses.dense"])
async def test_a_model_that_serves_is_available(client: httpx.AsyncClient, model: str) -> None:
    for place in ("", "/versions/1", "/labels/serving"):
        assert (await client.get(f"/v1/models/{model}{place}")).json() == available("1")


async def test_the_serving_version_comes_first_and_then_the_newest(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    for version in (2, 3):
        registry = publish_triples(tmp_path, "cross", version, job_id=OTHER_JOB)
    promotion.promote(registry, "cross", 2)
    assert (await client.get("/v1/models/cross")).json() == available("2", "3", "1")
    assert (await client.get("/v1/models/cross/versions/1")).json() == available("1")
    assert (await client.get("/v1/models/cross/labels/previous")).json() == available("3")


@pytest.mark.parametrize(
    "place",
    ["nothing", "houses.cross", "cross/versions/99", "cross/labels/previous", "a.b", "x%0Ay"],
)
async def test_what_is_not_there_is_not_found(client: httpx.AsyncClient, place: str) -> None:
    answer = await client.get(f"/v1/models/{place}")
    assert answer.status_code == 404
    if "%" not in place:
        model = place.partition("/")[0]
        assert answer.json() == {"error": f"Could not find any versions of model {model}"}
    answer = await client.get(f"/v1/models/{place}/metadata")
    assert answer.status_code == (400 if "labels" in place else 404)
    assert [*answer.json()] == ["error"]


async def test_an_unknown_label_or_a_version_that_is_no_number_is_refused(
    client: httpx.AsyncClient,
) -> None:
    for place in ("labels/stable", "versions/x"):
        answer = await client.get(f"/v1/models/cross/{place}")
        assert answer.status_code == 400
        assert [*answer.json()] == ["error"]


def described(dtype: str, name: str, *sizes: str) -> dict[str, object]:
    dim = [{"size": size, "name": ""} for size in sizes]
    return {
        "dtype": dtype,
        "tensor_shape": {"dim": dim, "unknown_rank": False},
        "name": f"serving_default_{name}:0",
    }


@pytest.mark.parametrize(("model", "dtype"), [("cross", "DT_DOUBLE"), ("dense", "DT_FLOAT")])
async def test_the_metadata_of_triples_has_one_input(
    client: httpx.AsyncClient, model: str, dtype: str
) -> None:
    answer = (await client.get(f"/v1/models/{model}/metadata")).json()
    assert answer["model_spec"] == {"name": model, "signature_name": "", "version": "1"}
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature == {
        "inputs": {"features": described(dtype, "features", "-1", "3")},
        "outputs": {"predictions": described(dtype, "predictions", "-1", "1")},
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }


async def test_the_metadata_of_a_table_has_an_input_for_each_column(
    client: httpx.AsyncClient,
) -> None:
    answer = (await client.get("/v1/models/houses/versions/1/metadata")).json()
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    types = {"rooms": "DT_DOUBLE", "new": "DT_DOUBLE", "city": "DT_STRING", "zip": "DT_STRING"}
    assert signature["inputs"] == {name: described(of, name, "-1") for name, of in types.items()}
