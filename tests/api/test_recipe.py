"""The recipe of a dataset: what a training request leaves open."""

import pytest

from models.config import TrainConfig
from tests.conftest import Service


@pytest.fixture(scope="module", autouse=True)
def table(service: Service) -> str:
    rows = "\n".join(f"{row},{row % 7}" for row in range(40))
    made = service.client.put("/datasets/recipes?target=y", content=f"x,y\n{rows}")
    assert made.status_code == 201, made.text
    return "recipes"


@pytest.mark.parametrize("preset", [None, "best"])
@pytest.mark.parametrize("dataset", ["triples", "recipes"])
def test_a_recipe_is_what_a_job_is_trained_by(
    service: Service, dataset: str, preset: str | None
) -> None:
    given = service.get(f"/datasets/{dataset}/recipe", **({"preset": preset} if preset else {}))
    asked = {"dataset": dataset, "preset": preset}
    assert TrainConfig.model_validate(given) == TrainConfig.model_validate(asked)
    posted = service.client.post("/train", json=given).json()
    service.client.post(f"/jobs/{posted['id']}/cancel").raise_for_status()
    pinned = {**given["dataset"], "revision": 1} if dataset == "recipes" else given["dataset"]
    assert posted["config"] == {**given, "dataset": pinned}


def test_there_is_no_recipe_of_what_is_not_there(service: Service) -> None:
    assert service.client.get("/datasets/nowhere/recipe").status_code == 404
    refused = service.client.get("/datasets/recipes/recipe", params={"preset": "seed"})
    assert refused.status_code == 422
    assert refused.json()["detail"] == "preset: seed is for the dataset triples"
