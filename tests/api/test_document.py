"""The OpenAPI document says of a training job's config what the service does."""

from itertools import product
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator
from pydantic import ValidationError

from models.config import TrainConfig
from service.api.app import create_app
from service.settings import Settings

RECIPES: dict[str, list[Any]] = {
    "preset": ["seed", "best", None],
    "precision": ["float32", "float64"],
    "optimizer": [
        {},
        {"name": "adam"},
        {"name": "levenberg_marquardt"},
        {"learning_rate": 1},
        {"name": "adam", "learning_rate": 1},
        {"name": "levenberg_marquardt", "learning_rate": 1},
    ],
}
ABSENT = object()
CHOICES = list(product(*([ABSENT, *values] for values in RECIPES.values())))


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Draft202012Validator:
    document = create_app(Settings(artifacts_dir=tmp_path_factory.mktemp("none"))).openapi()
    reference = {"$ref": "#/components/schemas/TrainConfig"}
    return Draft202012Validator(reference | {"components": document["components"]})


@pytest.mark.parametrize("values", CHOICES)
def test_a_recipe_is_valid_in_the_document_and_in_the_service_or_in_neither(
    documented: Draft202012Validator, values: tuple[Any, ...]
) -> None:
    config = {
        name: value for name, value in zip(RECIPES, values, strict=True) if value is not ABSENT
    }
    try:
        TrainConfig.model_validate(config)
    except ValidationError:
        assert not documented.is_valid(config)
    else:
        assert documented.is_valid(config)
