from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from models.config import (
    LEARNING_RATES,
    GradientDescent,
    OptimizerName,
    SyntheticDataset,
    TrainConfig,
)


def refused_fields(config: object) -> list[str]:
    with pytest.raises(ValidationError) as refusal:
        TrainConfig.model_validate(config)
    return [".".join(map(str, error["loc"])) for error in refusal.value.errors()]


def test_an_empty_config_is_the_experiment() -> None:
    assert TrainConfig.model_validate_json("{}").model_dump() == {
        "preset": None,
        "models": ["dense", "cross"],
        "dataset": {"kind": "synthetic", "size": 100_000, "seed": 42, "eval_fraction": 0.1},
        "epochs": 100,
        "batch_size": 1000,
        "seed": 42,
        "optimizer": {"name": "adagrad", "learning_rate": 0.4},
        "precision": "float32",
        "restarts": 1,
        "max_restarts": 10,
        "dense": {"hidden_units": [3, 3, 3], "initializer": "glorot_uniform"},
        "cross": {"layers": 1},
    }
    assert TrainConfig() == TrainConfig.model_validate_json("{}")


@pytest.mark.parametrize(
    ("name", "learning_rate"),
    [
        ("adagrad", 0.4),
        ("adam", 0.001),
        ("sgd", 0.01),
        ("rmsprop", 0.001),
        ("nadam", 0.001),
        ("adamw", 0.001),
    ],
)
def test_each_optimizer_has_its_own_learning_rate(
    name: OptimizerName, learning_rate: float
) -> None:
    config = TrainConfig.model_validate({"optimizer": {"name": name}})
    assert config.optimizer == GradientDescent(name=name, learning_rate=learning_rate)


def test_no_optimizer_lacks_a_learning_rate() -> None:
    assert set(LEARNING_RATES) == set(get_args(OptimizerName))


def test_a_given_learning_rate_is_kept() -> None:
    assert TrainConfig.model_validate(
        {"optimizer": {"learning_rate": 2}}
    ).optimizer == GradientDescent(name="adagrad", learning_rate=2.0)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"epoch": 5}, "epoch"),
        ({"dataset": {"rows": 100}}, "dataset.rows"),
        ({"optimizer": {"momentum": 0.9}}, "optimizer.momentum"),
        ({"dense": {"layers": 1}}, "dense.layers"),
        ({"cross": {"hidden_units": [3]}}, "cross.hidden_units"),
    ],
)
def test_unknown_fields_are_refused(config: object, field: str) -> None:
    assert refused_fields(config) == [field]


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"epochs": "100"}, "epochs"),
        ({"epochs": True}, "epochs"),
        ({"epochs": 100.0}, "epochs"),
        ({"epochs": None}, "epochs"),
        ({"models": "dense"}, "models"),
        ({"models": ["Dense"]}, "models.0"),
        ({"dataset": {"eval_fraction": "0.1"}}, "dataset.eval_fraction"),
        ({"dataset": {"kind": "csv"}}, "dataset.kind"),
        ({"optimizer": {"learning_rate": True}}, "optimizer.learning_rate"),
        ({"optimizer": {"learning_rate": None}}, "optimizer.learning_rate"),
        ({"optimizer": {"name": "lion"}}, "optimizer.name"),
        ({"optimizer": {"name": ["adam"]}}, "optimizer.name"),
        ({"optimizer": "adam"}, "optimizer"),
        ({"dense": {"hidden_units": [3, True]}}, "dense.hidden_units.1"),
    ],
)
def test_a_value_of_another_type_is_refused_and_never_converted(config: object, field: str) -> None:
    assert refused_fields(config) == [field]


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"models": []}, "models"),
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 1_000_001}, "batch_size"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"dataset": {"seed": -1}}, "dataset.seed"),
        ({"dataset": {"seed": 2**32}}, "dataset.seed"),
        ({"dataset": {"size": 9}}, "dataset.size"),
        ({"dataset": {"size": 10**400}}, "dataset"),
        ({"dataset": {"eval_fraction": 0}}, "dataset.eval_fraction"),
        ({"dataset": {"eval_fraction": 1}}, "dataset.eval_fraction"),
        ({"optimizer": {"learning_rate": 0}}, "optimizer.learning_rate"),
        ({"optimizer": {"learning_rate": 1000.1}}, "optimizer.learning_rate"),
        ({"dense": {"hidden_units": []}}, "dense.hidden_units"),
        ({"dense": {"hidden_units": [3] * 17}}, "dense.hidden_units"),
        ({"dense": {"hidden_units": [3, 0]}}, "dense.hidden_units.1"),
        ({"dense": {"hidden_units": [257]}}, "dense.hidden_units.0"),
        ({"cross": {"layers": 0}}, "cross.layers"),
        ({"cross": {"layers": 17}}, "cross.layers"),
    ],
)
def test_a_value_beyond_its_bounds_is_refused(config: object, field: str) -> None:
    (refused,) = refused_fields(config)
    assert refused.startswith(field)


@pytest.mark.parametrize(
    "config",
    [
        {"models": ["cross"], "epochs": 1, "batch_size": 1, "seed": 0},
        {"models": ["cross", "dense"], "batch_size": 1_000_000, "seed": 2**32 - 1},
        {"dataset": {"size": 10, "seed": 0}, "cross": {"layers": 1}},
        {"dataset": {"seed": 2**32 - 1}, "cross": {"layers": 16}},
        {"optimizer": {"learning_rate": 1000}, "dense": {"hidden_units": [256] * 16}},
        {"optimizer": {"learning_rate": 1e-300}, "dense": {"hidden_units": [1]}},
    ],
)
def test_a_value_at_its_bounds_is_accepted(config: dict[str, Any]) -> None:
    accepted = TrainConfig.model_validate(config).model_dump(exclude_unset=True)
    # The learning rate's default depends on the optimizer, so nothing else may be filled in.
    assert accepted == config


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("field", ["optimizer.learning_rate", "dataset.eval_fraction"])
def test_numbers_that_are_not_finite_are_refused(field: str, number: str) -> None:
    part, name = field.split(".")
    with pytest.raises(ValidationError, match=field):
        TrainConfig.model_validate_json(f'{{"{part}": {{"{name}": {number}}}}}')


def test_a_model_named_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="`models` names a model twice"):
        TrainConfig.model_validate({"models": ["dense", "dense"]})


@pytest.mark.parametrize("eval_fraction", [0.04, 0.96])
def test_a_split_without_a_row_is_refused(eval_fraction: float) -> None:
    with pytest.raises(ValidationError, match="without a row"):
        TrainConfig.model_validate({"dataset": {"size": 10, "eval_fraction": eval_fraction}})


@pytest.mark.parametrize(
    ("size", "eval_fraction", "train_size"),
    [(100_000, 0.1, 90_000), (10, 0.06, 9), (10, 0.94, 1), (11, 0.5, 5), (1000, 0.333, 667)],
)
def test_the_training_split_is_what_the_rounded_eval_fraction_leaves(
    size: int, eval_fraction: float, train_size: int
) -> None:
    assert SyntheticDataset(size=size, eval_fraction=eval_fraction).train_size == train_size


def some_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


@settings(database=None)
@given(
    some_of(
        models=st.sampled_from([["dense"], ["cross"], ["cross", "dense"]]),
        dataset=some_of(
            size=st.integers(10, 10**9),
            seed=st.integers(0, 2**32 - 1),
            eval_fraction=st.floats(0.1, 0.9),
        ),
        epochs=st.integers(1, 10_000),
        batch_size=st.integers(1, 10**6),
        seed=st.integers(0, 2**32 - 1),
        optimizer=some_of(
            name=st.sampled_from(sorted(LEARNING_RATES)),
            learning_rate=st.floats(0, 1000, exclude_min=True),
        ),
        dense=some_of(hidden_units=st.lists(st.integers(1, 256), min_size=1, max_size=16)),
        cross=some_of(layers=st.integers(1, 16)),
    )
)
def test_a_config_survives_the_round_trip_through_json(fields: dict[str, Any]) -> None:
    config = TrainConfig.model_validate(fields)
    assert TrainConfig.model_validate_json(config.model_dump_json()) == config
