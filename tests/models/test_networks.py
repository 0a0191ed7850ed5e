from typing import Any, get_args

import keras
import numpy as np
import pytest

from models.config import (
    CrossNetwork,
    DeepCrossNetwork,
    DenseNetwork,
    ModelName,
    Structure,
    TrainConfig,
)
from models.embeddings import Embeddings
from models.exactness import why_not_exact
from models.networks import build, ensemble, predict_rows
from models.preprocessing import Encoded, Number, Preprocessing
from models.schema import Column, TableSchema
from tests.models.family import (
    FAMILY,
    TABLES,
    WAVES,
    encoded,
    every_shape,
    every_table,
    make_config,
    make_network,
    triples,
)


def agree(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "parameters"), [("dense", 40), ("cross", 16), ("deep_cross", 4496)]
)
def test_the_networks_by_default_have_so_many_parameters(name: ModelName, parameters: int) -> None:
    assert build(name, TrainConfig(), seed=42).count_params() == parameters


@pytest.mark.parametrize(
    ("name", "config", "shapes"),
    [
        (
            "dense",
            TrainConfig(dense=DenseNetwork(hidden_units=[5, 2])),
            [(3, 5), (5,), (5, 2), (2,), (2, 1), (1,)],
        ),
        (
            "cross",
            TrainConfig(cross=CrossNetwork(layers=2)),
            [(3, 3), (3,), (3, 3), (3,), (3, 1), (1,)],
        ),
        (
            "cross",
            TrainConfig(cross=CrossNetwork(layers=1, rank=2)),
            [(3, 2), (2, 3), (3,), (3, 1), (1,)],
        ),
        (
            "deep_cross",
            TrainConfig(deep_cross=DeepCrossNetwork(hidden_units=[5])),
            [(3, 3), (3,), (3, 5), (5,), (8, 1), (1,)],
        ),
        (
            "deep_cross",
            TrainConfig(deep_cross=DeepCrossNetwork(hidden_units=[5], structure="stacked")),
            [(3, 3), (3,), (3, 5), (5,), (5, 1), (1,)],
        ),
    ],
)
def test_the_shape_of_a_network_follows_the_config(
    name: ModelName, config: TrainConfig, shapes: list[tuple[int, ...]]
) -> None:
    network = build(name, config, seed=1)
    assert [weight.shape for weight in network.trainable_weights] == shapes
    assert network.name == name
    assert network.output_shape == (None, 1)


def kernels(kind: str, seed: int) -> list[Any]:
    network = build(FAMILY[kind][0], make_config(kind), seed)
    return [weight for weight in network.get_weights() if weight.ndim > 1]


@every_shape
def test_weights_are_drawn_from_the_seed_alone(kind: str) -> None:
    keras.utils.set_random_seed(1)
    first = kernels(kind, 5)
    keras.utils.set_random_seed(2)
    for one, again, other in zip(first, kernels(kind, 5), kernels(kind, 6), strict=True):
        np.testing.assert_array_equal(one, again)
        assert (one != other).all()


@every_shape
def test_all_kernels_of_one_network_start_with_different_weights(kind: str) -> None:
    drawn = np.concatenate([kernel.ravel() for kernel in kernels(kind, 1)])
    assert len(np.unique(drawn)) == len(drawn)


@pytest.mark.parametrize("name", get_args(ModelName))
def test_the_largest_seed_builds_a_network(name: ModelName) -> None:
    assert np.isfinite(build(name, TrainConfig(), seed=2**32 - 1)(triples(1))).all()


def test_the_cross_network_computes_what_its_layers_say() -> None:
    network = build("cross", TrainConfig(cross=CrossNetwork(layers=2)), seed=1)
    ones, zeros = np.ones((3, 3)), np.zeros(3)
    network.set_weights([ones, zeros, ones, zeros, np.ones((3, 1)), np.array([0.5])])
    # x1 = 6·(1, 2, 3) + (1, 2, 3) sums to 42; x2 = 42·(1, 2, 3) + x1 sums to 252 + 42.
    assert network(np.array([[1.0, 2.0, 3.0]], np.float32)).numpy().tolist() == [[294.5]]


def test_the_dense_network_computes_what_its_layers_say() -> None:
    network = build("dense", TrainConfig(dense=DenseNetwork(hidden_units=[2])), seed=1)
    kernel = np.array([[1, -1], [1, -1], [1, -1]])
    network.set_weights([kernel, np.array([1, 1]), np.array([[2], [3]]), np.array([0.5])])
    # 1 + 2 + 3 + 1 = 7 passes the first unit, the second is cut off; 2·7 + 0.5.
    assert network(np.array([[1.0, 2.0, 3.0]], np.float32)).numpy().tolist() == [[14.5]]


@pytest.mark.parametrize(
    ("structure", "last", "expected"),
    [
        # The cross layer says 6·(1, 2, 3) + (1, 2, 3), the ReLU unit 1 + 2 + 3 + 1 beside it.
        ("parallel", np.array([[1], [1], [1], [10]]), 42 + 10 * 7 + 0.5),
        ("stacked", np.array([[10]]), 10 * 43 + 0.5),
    ],
)
def test_the_deep_cross_network_computes_what_its_layers_say(
    structure: Structure, last: Any, expected: float
) -> None:
    shape = DeepCrossNetwork(hidden_units=[1], structure=structure)
    network = build("deep_cross", TrainConfig(deep_cross=shape), seed=1)
    ones, zeros = np.ones((3, 3)), np.zeros(3)
    network.set_weights([ones, zeros, np.ones((3, 1)), np.ones(1), last, np.array([0.5])])
    assert network(np.array([[1.0, 2.0, 3.0]], np.float32)).numpy().tolist() == [[expected]]


every_name = pytest.mark.parametrize("name", get_args(ModelName))
OF_TABLE = TrainConfig.model_validate({"dataset": "houses", "dense": {"hidden_units": [5, 4]}})


@every_table
@every_name
def test_a_network_of_a_table_takes_its_numbers_and_codes(
    name: ModelName, table: Preprocessing
) -> None:
    network = build(name, OF_TABLE, 1, table)
    shapes = {one.name: one.shape for one in network.inputs}
    assert shapes == {"numbers": (None, table.numeric_width), "codes": (None, len(table.words))}
    matrices = [(words.codes, words.width) for words in table.words]
    shapes_of_weights = [weight.shape for weight in network.get_weights()]
    assert shapes_of_weights[: len(matrices)] == matrices
    units = 5 if name == "dense" else table.width
    assert shapes_of_weights[len(matrices)] == (table.width, units)


@pytest.mark.parametrize(("fields", "drawn"), [({}, 5), (WAVES, 7)])
def test_all_weights_of_a_table_s_network_are_drawn_from_the_seed(
    fields: dict[str, Any], drawn: int
) -> None:
    config = TrainConfig.model_validate({"dataset": "houses", **fields})
    first, again, other = (
        [
            weight
            for weight in build("cross", config, seed, TABLES["both"]).get_weights()
            if weight.any()
        ]
        for seed in (5, 5, 6)
    )
    assert len(first) == drawn
    for one, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, same)
        assert (one != different).all()


@every_table
@every_name
def test_numbers_are_embedded_and_marks_and_words_are_not(
    name: ModelName, table: Preprocessing
) -> None:
    fields = {"numeric_embedding": {"frequencies": 250, "lowest": 0.1, "highest": 10.0, "width": 6}}
    config = TrainConfig.model_validate({"dataset": "houses", **fields})
    network = build(name, config, 1, table)
    (words,) = (layer for layer in network.layers if isinstance(layer, Embeddings))
    assert words.output.shape == (None, table.width + 5 * len(table.numbers))
    if table.numbers:
        frequencies, kernel, bias = network.get_weights()[:3]
        assert 0.1 <= frequencies.min() < frequencies.max() <= 10
        assert np.log(frequencies).mean() == pytest.approx(0, abs=0.2)  # of 0.1 and 10
        assert np.abs(kernel).max() == pytest.approx((6 / (500 + 6)) ** 0.5, rel=0.01)
        assert not bias.any()
    else:
        plain = build(name, TrainConfig.model_validate({"dataset": "houses"}), 1, table)
        assert network.count_params() == plain.count_params()


def test_rows_are_predicted_block_after_block() -> None:
    network, rows = build("cross", OF_TABLE, 1, TABLES["both"]), encoded(TABLES["both"], 9)
    parts = (
        Encoded(rows.numbers[:, part], rows.codes[:, part], rows.targets[part])
        for part in (slice(5), slice(5, None))
    )
    agree(predict_rows(network, parts), predict_rows(network, [rows]))


@every_shape
def test_an_ensemble_says_the_mean_of_what_its_members_say(kind: str) -> None:
    members = [make_network(kind, seed=seed) for seed in (1, 2, 3)]
    one, features = ensemble(members), triples(20)
    said = [member(features).numpy() for member in members]
    np.testing.assert_allclose(one(features), np.mean(said, axis=0), rtol=1e-5, atol=1e-5)
    assert np.ptp(said, axis=0).min() > 1e-3
    assert one.count_params() == 3 * members[0].count_params()
    assert one.name == members[0].name
    assert [of.name for of in one.inputs] == ["features"]


@every_table
@every_shape
def test_an_ensemble_of_a_table_says_the_mean_of_what_its_members_say(
    kind: str, table: Preprocessing
) -> None:
    members = [make_network(kind, table, seed) for seed in (1, 2)]
    one, rows = ensemble(members), encoded(table, 20)
    said = [predict_rows(member, [rows]) for member in members]
    np.testing.assert_allclose(predict_rows(one, [rows]), np.mean(said, axis=0), rtol=1e-5)
    assert {of.name: of.shape for of in one.inputs} == {
        of.name: of.shape for of in members[0].inputs
    }


def test_members_of_an_ensemble_have_weights_of_their_own() -> None:
    members = [make_network("cross", seed=seed, precision="float64") for seed in (1, 2)]
    one, features = ensemble(members), triples(5, "float64")
    before = one(features).numpy()
    assert before.dtype == np.float64
    members[0].set_weights(members[1].get_weights())
    np.testing.assert_array_equal(one(features), before)


def test_ensembles_of_ensembles_and_of_one_are_networks_as_well() -> None:
    features = triples(5)
    twos = [ensemble([make_network("cross", seed=s) for s in pair]) for pair in ((1, 2), (3, 4))]
    said = [make_network("cross", seed=seed)(features) for seed in (1, 2, 3, 4)]
    np.testing.assert_allclose(ensemble(twos)(features), np.mean(said, axis=0), rtol=1e-5)
    assert ensemble(twos[:1]) is twos[0]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("dense", {}),
        ("cross", {}),
        ("cross", {"rank": 20}),
        ("cross", {"rank": 10, "experts": 3}),
        ("deep_cross", {}),
        ("deep_cross", {"structure": "stacked"}),
    ],
    ids=str,
)
def test_the_weights_that_are_too_many_for_the_exact_optimizer_are_counted_right(
    name: ModelName, shape: dict[str, Any]
) -> None:
    numbers = tuple(Number(str(index), 0.0, 1.0, True) for index in range(15))
    exact = {"name": "levenberg_marquardt"}
    fields = {"dataset": "houses", "models": [name], "optimizer": exact, name: shape}
    config = TrainConfig.model_validate(fields)
    schema = TableSchema(
        features=tuple(Column(name=number.name, type="number") for number in numbers),
        target="price",
        task="regression",
    )
    network = build(name, config, 1, Preprocessing("regression", numbers, (), 0.0, 1.0))
    assert f"may have {network.count_params():,} on this table" in str(
        why_not_exact(config, schema)
    )
