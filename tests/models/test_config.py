import re
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from models.config import (
    LEARNING_RATES,
    DenseNetwork,
    GradientDescent,
    Initializer,
    LevenbergMarquardt,
    OptimizerName,
    Preset,
    SyntheticDataset,
    TrainConfig,
)
from models.recipes import PRESETS

EXACT = {"name": "levenberg_marquardt"}


def fields(refusal: ValidationError) -> list[str]:
    """The fields at fault, without the tags of unions."""
    return [
        ".".join(str(part) for part in error["loc"] if not str(part).startswith("<"))
        for error in refusal.errors()
        # The learning rate's default is that of the optimizer, whose name is at fault.
        if error["type"] != "default_factory_not_called"
    ]


def refused_fields(config: object) -> list[str]:
    with pytest.raises(ValidationError) as refusal:
        TrainConfig.model_validate(config)
    return fields(refusal.value)


def test_an_empty_config_is_the_experiment() -> None:
    assert TrainConfig.model_validate_json("{}").model_dump() == {
        "preset": None,
        "models": ["dense", "cross"],
        "dataset": {"kind": "synthetic", "size": 100_000, "seed": 42, "eval_fraction": 0.1},
        "epochs": 100,
        "batch_size": 1000,
        "seed": 42,
        "optimizer": {"name": "adagrad", "learning_rate": 0.4, "schedule": "constant"},
        "precision": "float32",
        "restarts": 1,
        "max_restarts": 10,
        "patience": None,
        "dense": {"hidden_units": [3, 3, 3], "initializer": "glorot_uniform"},
        "cross": {"layers": 1, "rank": None, "experts": 1},
        "deep_cross": {
            "layers": 1,
            "rank": None,
            "experts": 1,
            "structure": "parallel",
            "hidden_units": [64, 64],
        },
        "repeats": 1,
        "ensemble": 1,
        "dropout": 0,
        "weight_decay": 0,
        "numeric_embedding": None,
        "baselines": ["linear", "products", "trees", "biases"],
        "promote": "if_better",
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
        ({"optimizer": {"max_evaluations": 5}}, "optimizer.max_evaluations"),
        ({"preset": "best", "optimizer": {"learning_rate": 1}}, "optimizer.learning_rate"),
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
        ({"epochs": 99.5}, "epochs"),
        ({"epochs": None}, "epochs"),
        ({"models": "dense"}, "models"),
        ({"models": ["Dense"]}, "models.0"),
        ({"dataset": {"eval_fraction": "0.1"}}, "dataset.eval_fraction"),
        ({"dataset": {"kind": "csv"}}, "dataset.kind"),
        ({"optimizer": {"learning_rate": True}}, "optimizer.learning_rate"),
        ({"optimizer": {"learning_rate": None}}, "optimizer.learning_rate"),
        ({"optimizer": {"name": "lion"}}, "optimizer.name"),
        ({"optimizer": {"name": ["adam"]}}, "optimizer.name"),
        ({"optimizer": {"name": []}}, "optimizer.name"),
        ({"optimizer": {"name": {}, "learning_rate": 1}}, "optimizer.name"),
        ({"optimizer": "adam"}, "optimizer"),
        ({"optimizer": None}, "optimizer"),
        ({"preset": ["best"]}, "preset"),
        ({"preset": "best", "optimizer": None}, "optimizer"),
        ({"preset": "best", "dense": None}, "dense"),
        ({"preset": "best", "precision": None}, "precision"),
        ({"dense": {"hidden_units": [3, True]}}, "dense.hidden_units.1"),
    ],
)
def test_a_value_of_another_type_is_refused_and_never_converted(config: object, field: str) -> None:
    assert refused_fields(config) == [field]


def test_a_whole_number_may_be_written_as_a_fraction() -> None:
    config = {"epochs": 7.0, "seed": 1e3, "dense": {"hidden_units": [3.0]}}
    read = TrainConfig.model_validate(config)
    assert repr((read.epochs, read.seed, read.dense.hidden_units)) == "(7, 1000, [3])"


def test_bounds_of_whole_numbers_are_documented() -> None:
    schema = TrainConfig.model_json_schema()
    assert schema["properties"]["seed"].items() >= {"minimum": 0, "maximum": 2**32 - 1}.items()
    whole, null = schema["properties"]["batch_size"]["anyOf"]
    assert whole.items() >= {"minimum": 1, "maximum": 10**6}.items()
    assert null == {"type": "null"}


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
        ({"optimizer": {**EXACT, "max_evaluations": 0}}, "optimizer.max_evaluations"),
        ({"optimizer": {**EXACT, "max_evaluations": 10_001}}, "optimizer.max_evaluations"),
        ({"optimizer": {**EXACT, "screening_rows": 9}}, "optimizer.screening_rows"),
        ({"optimizer": {**EXACT, "block_rows": 9}}, "optimizer.block_rows"),
        ({"optimizer": {**EXACT, "block_rows": 1_000_001}}, "optimizer.block_rows"),
        ({"restarts": 0}, "restarts"),
        ({"restarts": 257}, "restarts"),
        ({"max_restarts": -1}, "max_restarts"),
        ({"max_restarts": 101}, "max_restarts"),
        ({"dense": {"hidden_units": []}}, "dense.hidden_units"),
        ({"dense": {"hidden_units": [3] * 17}}, "dense.hidden_units"),
        ({"dense": {"hidden_units": [3, 0]}}, "dense.hidden_units.1"),
        ({"dense": {"hidden_units": [4097]}}, "dense.hidden_units.0"),
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
        {"restarts": 1, "max_restarts": 0},
        {"restarts": 256, "max_restarts": 100},
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
    with pytest.raises(ValidationError) as refusal:
        TrainConfig.model_validate_json(f'{{"{part}": {{"{name}": {number}}}}}')
    assert fields(refusal.value) == [field]


def test_a_model_named_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="`models` names one twice"):
        TrainConfig.model_validate({"models": ["dense", "dense"]})


def test_the_preset_seed_is_the_experiment_as_it_was() -> None:
    config = TrainConfig.model_validate({"preset": "seed"})
    assert config == TrainConfig(preset="seed", max_restarts=0)


def test_the_preset_best_is_the_exact_optimizer_and_many_lively_starts() -> None:
    config = TrainConfig.model_validate({"preset": "best"})
    assert config.model_dump() == {
        **TrainConfig().model_dump(),
        "preset": "best",
        "optimizer": {
            "name": "levenberg_marquardt",
            "max_evaluations": 100,
            "screening_rows": 1000,
            "block_rows": 4096,
        },
        "precision": "float64",
        "restarts": 40,
        "dense": {"hidden_units": [3, 3, 3], "initializer": "lively"},
        "deep_cross": {**TrainConfig().deep_cross.model_dump(), "hidden_units": [16, 16]},
    }


@pytest.mark.parametrize("preset", get_args(Preset))
def test_a_preset_written_out_is_read_back_as_it_is(preset: Preset) -> None:
    config = TrainConfig.model_validate({"preset": preset, "restarts": 3})
    assert TrainConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        ({"preset": "best", "restarts": 3}, "restarts", 3),
        ({"preset": "best", "seed": 7}, "seed", 7),
        ({"preset": "seed", "max_restarts": 4}, "max_restarts", 4),
        # A part that is given is laid over the preset's,
        (
            {"preset": "best", "dense": {"hidden_units": [4]}},
            "dense",
            DenseNetwork(hidden_units=[4], initializer="lively"),
        ),
        (
            {"preset": "best", "dense": {"initializer": "glorot_uniform"}},
            "dense",
            DenseNetwork(initializer="glorot_uniform"),
        ),
        (
            {"preset": "best", "optimizer": {"max_evaluations": 7}},
            "optimizer",
            LevenbergMarquardt(name="levenberg_marquardt", max_evaluations=7),
        ),
        (
            {"preset": "best", "optimizer": {**EXACT, "block_rows": 50}},
            "optimizer",
            LevenbergMarquardt(name="levenberg_marquardt", block_rows=50),
        ),
        # but another optimizer takes its whole place.
        (
            {"preset": "best", "optimizer": {"name": "adam"}},
            "optimizer",
            GradientDescent(name="adam"),
        ),
        ({"preset": "best", "optimizer": {"name": "adam"}}, "precision", "float32"),
    ],
)
def test_what_is_given_beside_a_preset_takes_precedence(
    given: dict[str, Any], field: str, expected: object
) -> None:
    config = TrainConfig.model_validate(given)
    assert getattr(config, field) == expected
    # All else stays as the preset has it; the precision goes with the optimizer.
    preset = TrainConfig.model_validate({"preset": given["preset"]})
    for other in TrainConfig.model_fields.keys() - {*given, field, "precision"}:
        assert getattr(config, other) == getattr(preset, other)


def test_filling_in_a_preset_leaves_what_was_given_as_it_was() -> None:
    given: dict[str, Any] = {"preset": "best", "dense": {"hidden_units": [4]}}
    TrainConfig.model_validate(given)
    assert given == {"preset": "best", "dense": {"hidden_units": [4]}}
    assert PRESETS["best"]["dense"] == {"initializer": "lively"}


def test_the_exact_optimizer_is_in_float64_without_saying_so() -> None:
    assert TrainConfig.model_validate({"optimizer": EXACT}).precision == "float64"
    with pytest.raises(ValidationError, match="`precision` must be float64"):
        TrainConfig.model_validate({"optimizer": EXACT, "precision": "float32"})
    with pytest.raises(ValidationError, match="`precision` must be float64"):
        TrainConfig.model_validate({"preset": "best", "precision": "float32"})


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
        preset=st.sampled_from([None, *PRESETS]),
        models=st.sampled_from([["dense"], ["cross"], ["cross", "dense"]]),
        dataset=some_of(
            size=st.integers(10, 10**9),
            seed=st.integers(0, 2**32 - 1),
            eval_fraction=st.floats(0.1, 0.9),
        ),
        epochs=st.integers(1, 10_000),
        batch_size=st.integers(1, 10**6),
        seed=st.integers(0, 2**32 - 1),
        optimizer=st.one_of(
            st.fixed_dictionaries(
                {"name": st.sampled_from(sorted(LEARNING_RATES))},
                optional={"learning_rate": st.floats(0, 1000, exclude_min=True)},
            ),
            some_of(max_evaluations=st.integers(1, 10_000)).map(lambda some: {**EXACT, **some}),
        ),
        precision=st.just("float64"),
        restarts=st.integers(1, 256),
        max_restarts=st.integers(0, 100),
        dense=some_of(
            hidden_units=st.lists(st.integers(1, 256), min_size=1, max_size=16),
            initializer=st.sampled_from(get_args(Initializer)),
        ),
        cross=some_of(layers=st.integers(1, 16)),
    )
)
def test_a_config_survives_the_round_trip_through_json(fields: dict[str, Any]) -> None:
    config = TrainConfig.model_validate(fields)
    assert TrainConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"cross": {"experts": 4}}, "`experts` needs `rank`"),
        ({"ensemble": 2, "restarts": 2}, "choose one"),
        ({"ensemble": 2, "optimizer": EXACT}, "`ensemble` is for gradient descent"),
        ({"dropout": 0.1, "optimizer": EXACT}, "`dropout` is for gradient descent"),
        ({"weight_decay": 0.1, "optimizer": EXACT}, "`weight_decay` is for gradient descent"),
        ({"numeric_embedding": {}}, "`numeric_embedding` is for tables"),
        ({"batch_size": None}, "`batch_size` may be null on tables only"),
        ({"baselines": ["trees", "trees"]}, "`baselines` names one twice"),
    ],
)
def test_what_does_not_go_together_is_refused_in_words(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(says)):
        TrainConfig.model_validate(config)


def test_a_table_is_trained_five_times_and_triples_once() -> None:
    assert TrainConfig.model_validate({"dataset": "houses"}).repeats == 5
    assert TrainConfig.model_validate({"dataset": "houses", "repeats": 2}).repeats == 2
    assert TrainConfig().repeats == 1
