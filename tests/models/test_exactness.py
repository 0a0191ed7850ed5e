from typing import Any

import pytest

from models.config import TrainConfig
from models.exactness import why_not_exact
from models.schema import Column, TableSchema, Task, Type

EXACT = {"name": "levenberg_marquardt"}


def houses(*types: Type, task: Task = "regression") -> TableSchema:
    features = tuple(Column(name=f"{kind} {i}", type=kind) for i, kind in enumerate(types))
    return TableSchema(features=features, target="price", task=task)


def exactly(**fields: Any) -> TrainConfig:
    return TrainConfig.model_validate({"dataset": "houses", "optimizer": EXACT, **fields})


SMALL = {"hidden_units": [3, 3]}
TEXTS: list[Type] = ["text"] * 7
NUMBERS: list[Type] = ["number"] * 12


def test_small_networks_of_numbers_are_found_exactly() -> None:
    assert why_not_exact(exactly(dense=SMALL), houses("number", "boolean")) is None


@pytest.mark.parametrize(
    ("config", "schema", "reason"),
    [
        (exactly(dense=SMALL), houses("number", "text", "code"), "'text 1', 'code 2'"),
        (exactly(dense=SMALL), houses(*TEXTS), "'text 4' and 2 more"),
        (exactly(dense=SMALL), houses("number", task="binary"), "'price' is binary"),
        (exactly(), houses("number"), "`dense` may have 4,417"),
        (exactly(models=["cross"]), houses(*NUMBERS), "`cross` may have 1,225"),
    ],
)
def test_what_cannot_be_found_exactly_is_told_with_its_reason(
    config: TrainConfig, schema: TableSchema, reason: str
) -> None:
    told = why_not_exact(config, schema)
    assert told is not None
    assert reason in told
    assert why_not_exact(TrainConfig.model_validate({"dataset": "houses"}), schema) is None


def test_only_networks_that_are_trained_can_be_too_large() -> None:
    assert why_not_exact(exactly(models=["cross"]), houses("number")) is None


def test_on_triples_networks_can_be_too_large_as_well() -> None:
    large = {"optimizer": EXACT, "models": ["deep_cross"]}
    told = why_not_exact(TrainConfig.model_validate(large), None)
    assert told is not None
    assert "`deep_cross` is to have 4,496;" in told
    assert why_not_exact(TrainConfig.model_validate({**large, "preset": "best"}), None) is None
    assert why_not_exact(TrainConfig.model_validate({"optimizer": EXACT}), None) is None
