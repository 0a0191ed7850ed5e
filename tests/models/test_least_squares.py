from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import least_squares
from models.config import ModelName, SyntheticDataset, TrainConfig
from models.data import Array, Split, load, synthetic_triples
from models.evaluation import evaluate
from models.least_squares import FOLDED_AT_ONCE, LeastSquares
from models.networks import build, predict
from models.preprocessing import Encoded
from models.rows import InMemory
from models.training import train
from tests.models import family
from tests.models.family import every_shape

DATASET = load(SyntheticDataset(size=1000))
TWENTY_ROWS = synthetic_triples(20, seed=7)
EXACT = TrainConfig.model_validate({"optimizer": {"name": "levenberg_marquardt"}})


def make_network(name: ModelName, seed: int = 0) -> keras.Model:
    # Lively, so that the dense network has derivatives other than 0.
    config = EXACT.model_copy(
        update={"dense": EXACT.dense.model_copy(update={"initializer": "lively"})}
    )
    return build(name, config, seed)


def in_memory(split: Split) -> InMemory:
    no_codes = np.empty((0, len(split.targets)), np.int32)
    return InMemory(Encoded(split.features.T, no_codes, split.targets))


def ravel(network: keras.Model) -> Array:
    return np.concatenate([weights.ravel() for weights in network.get_weights()])


def jacobian_and_residuals(network: keras.Model, split: Split) -> Array:
    """`[J r]` by one tape a row over the network as Keras runs it."""
    rows = []
    for features, target in zip(*split, strict=True):
        with tf.GradientTape() as tape:
            prediction = network(features[np.newaxis])[0, 0]
        gradients = tape.gradient(prediction, [v.value for v in network.trainable_variables])
        derivatives = [gradient.numpy().ravel() for gradient in gradients]
        rows.append(np.concatenate([*derivatives, [prediction.numpy() - target]]))
    return np.array(rows)


@pytest.mark.parametrize("seed", range(3))
def test_the_cross_network_is_found_to_the_last_bit(seed: int) -> None:
    config = EXACT.model_copy(update={"seed": seed})
    network = train("cross", DATASET.train, config).network
    scores = evaluate(lambda features: predict(network, features), DATASET).scores
    assert scores["eval_rmse"] <= 1e-14
    assert scores["train_rmse"] <= 1e-14


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("cross", {"rank": 2}),
        ("deep_cross", {"hidden_units": [3]}),
        ("deep_cross", {"hidden_units": [3], "rank": 2}),
        ("deep_cross", {"hidden_units": [3], "structure": "stacked"}),
    ],
    ids=str,
)
def test_whatever_holds_the_function_is_found_to_the_last_bit(
    name: ModelName, shape: dict[str, Any]
) -> None:
    config = TrainConfig.model_validate({"optimizer": {"name": "levenberg_marquardt"}, name: shape})
    network = build(name, config, 1)
    problem = LeastSquares(network, in_memory(DATASET.train), 900)
    assert problem.solve(network.get_weights(), 100).loss < 1e-28


@every_shape
def test_the_triangle_has_the_products_of_the_jacobian_and_the_residuals(kind: str) -> None:
    network = family.make_network(kind, precision="float64")
    by_hand = jacobian_and_residuals(network, TWENTY_ROWS)
    triangle = LeastSquares(network, in_memory(TWENTY_ROWS), block_rows=8).look_at_all(
        ravel(network)
    )

    parameters = network.count_params()
    assert triangle.shape == (parameters + 1, parameters + 1)
    np.testing.assert_array_equal(triangle, np.triu(triangle))
    products = by_hand.T @ by_hand
    lost = 1e-13 * products.max()
    np.testing.assert_allclose(triangle.T @ triangle, products, rtol=1e-12, atol=lost)
    # Networks without derivatives or without errors would agree too.
    assert np.count_nonzero(products) > parameters**2 / 2
    assert products[-1, -1] > 0.1


# The second makes more triangles than are kept at once.
@pytest.mark.parametrize("block_rows", [128, 900 // (FOLDED_AT_ONCE + 10)])
def test_the_size_of_the_blocks_does_not_change_the_result(block_rows: int) -> None:
    dense = make_network("dense")
    # One matrix has many triangles, but only one product with itself.
    whole, parts = (
        LeastSquares(dense, in_memory(DATASET.train), rows).look_at_all(ravel(dense))
        for rows in (900, block_rows)
    )
    np.testing.assert_allclose(parts.T @ parts, whole.T @ whole, rtol=1e-12, atol=1e-11)

    cross = make_network("cross")
    problem = LeastSquares(cross, in_memory(DATASET.train), block_rows)
    assert problem.solve(cross.get_weights(), 100).loss < 1e-28


def test_large_triangles_are_folded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    dense = make_network("dense")
    expected = LeastSquares(dense, in_memory(DATASET.train), 900).look_at_all(ravel(dense))
    folded: list[int] = []

    def fold(matrix: Array) -> Array:
        folded.append(len(matrix))
        return np.asarray(np.linalg.qr(matrix, mode="r"))

    monkeypatch.setattr(least_squares, "fold", fold)
    monkeypatch.setattr(least_squares, "FOLDED_NUMBERS", 1)
    monkeypatch.setattr(least_squares, "JACOBIAN_NUMBERS", 40 * 100)
    problem = LeastSquares(dense, in_memory(DATASET.train), 900)
    triangle = problem.look_at_all(ravel(dense))

    np.testing.assert_allclose(triangle.T @ triangle, expected.T @ expected, rtol=1e-12, atol=1e-11)
    # 40 weights: blocks of 100 rows, and never more than two triangles of 41.
    assert max(folded) == 100
    assert folded.count(100) == 9


def test_the_weights_that_are_returned_have_the_lowest_loss_that_was_met() -> None:
    network = make_network("dense")
    reports: list[tuple[int, float]] = []
    solution = LeastSquares(network, in_memory(DATASET.train), 256).solve(
        network.get_weights(), 20, on_evaluation=lambda *report: reports.append(report)
    )

    assert reports == list(enumerate(solution.losses, start=1))
    assert len(reports) <= 20
    network.set_weights(solution.weights)
    errors = predict(network, DATASET.train.features) - DATASET.train.targets
    assert np.mean(errors**2) == pytest.approx(min(solution.losses), rel=1e-9)


def test_fewer_rows_than_parameters_are_fitted_too() -> None:
    network = make_network("cross")
    few = Split(*(column[:9] for column in TWENTY_ROWS))
    assert network.count_params() > len(few.targets)
    solution = LeastSquares(network, in_memory(few), 4096).solve(network.get_weights(), 100)
    assert solution.loss < 1e-24
