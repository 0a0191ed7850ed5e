import re
from typing import Any, get_args

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from models.config import CrossNetwork, DenseNetwork, ModelName, OptimizerName, TrainConfig
from models.data import Split, synthetic_triples
from models.networks import build, build_cross, build_dense
from models.training import TrainingDiverged, fit, make_optimizer

# With this seed the dense network learns; with others every ReLU dies.
SEED = 6
ROWS = synthetic_triples(2030, seed=7)
ONE_BATCH = len(ROWS.targets)


def make_config(**fields: Any) -> TrainConfig:
    # Two hidden layers: XLA needs a third less time for them than for the experiment's three.
    dense = {"hidden_units": [3, 3]}
    return TrainConfig.model_validate({"epochs": 3, "batch_size": 200, "dense": dense, **fields})


def assert_same_weights(one: keras.Model, other: keras.Model) -> None:
    for mine, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("optimizer", get_args(OptimizerName))
@pytest.mark.parametrize("name", get_args(ModelName))
def test_training_ends_where_keras_fit_ends(name: ModelName, optimizer: OptimizerName) -> None:
    config = make_config(optimizer={"name": optimizer})
    ours, reference = build(name, config, SEED), build(name, config, SEED)
    initial_weights = ours.get_weights()

    (history,) = fit([ours], ROWS, config)
    reference.compile(loss="mse", optimizer=make_optimizer(config.optimizer), jit_compile=False)
    # 2,030 rows: the last batch holds 30.
    expected = reference.fit(
        *ROWS, batch_size=config.batch_size, epochs=config.epochs, shuffle=False, verbose=0
    )

    np.testing.assert_allclose(history.losses, expected.history["loss"], rtol=1e-5)
    assert_same_weights(ours, reference)
    # Dead networks would agree too.
    assert history.losses[-1] < 0.95 * history.losses[0]
    assert np.ptp(ours(ROWS.features)) > 0.1
    for before, after in zip(initial_weights, ours.get_weights(), strict=True):
        assert np.any(before != after)


@pytest.mark.parametrize("name", get_args(ModelName))
def test_networks_trained_side_by_side_each_end_as_if_trained_alone(name: ModelName) -> None:
    config, seeds = make_config(batch_size=1015), (SEED, 2)
    together = [build(name, config, seed) for seed in seeds]
    histories = fit(together, ROWS, config)

    for seed, network, history in zip(seeds, together, histories, strict=True):
        alone = build(name, config, seed)
        (expected,) = fit([alone], ROWS, config)
        assert_same_weights(network, alone)
        np.testing.assert_allclose(history.losses, expected.losses, rtol=1e-5)
    # Networks that end alike would hide that one took the other's place.
    assert histories[0].losses[-1] != pytest.approx(histories[1].losses[-1], rel=0.01)


def test_a_batch_size_above_the_number_of_rows_makes_one_batch() -> None:
    large, exact = (build_cross(CrossNetwork(), SEED) for _ in range(2))
    (history,) = fit([large], ROWS, make_config(batch_size=1_000_000))
    (expected,) = fit([exact], ROWS, make_config(batch_size=ONE_BATCH))
    assert history.losses == expected.losses
    assert_same_weights(large, exact)


def test_one_step_of_gradient_descent_by_hand() -> None:
    network = build_dense(DenseNetwork(hidden_units=[1]), SEED)
    start = [np.ones((3, 1)), np.zeros(1), np.full((1, 1), 2.0), np.zeros(1)]
    network.set_weights(start)
    one_row = Split(np.array([[0.5, 0.25, 0.25]]), np.array([1.0]))
    optimizer = {"name": "sgd", "learning_rate": 0.125}

    (history,) = fit([network], one_row, make_config(epochs=1, optimizer=optimizer))

    # The unit gives 1, the network 2; the error 1 has the gradient 2, and 4 behind the factor 2.
    assert history.losses == [1.0]
    kernel, bias, last_kernel, last_bias = network.get_weights()
    assert kernel.tolist() == [[1 - 0.125 * 4 * x] for x in (0.5, 0.25, 0.25)]
    assert bias.tolist() == [-0.5]
    assert last_kernel.tolist() == [[1.75]]
    assert last_bias.tolist() == [-0.25]


def test_a_float64_network_is_trained_in_float64() -> None:
    network = build_cross(CrossNetwork(), SEED, "float64")
    errors = network(ROWS.features).numpy()[:, 0] - ROWS.targets
    bias_after_one_step = -0.125 * 2 * errors.mean()

    # Keras keeps a learning rate in float32, which holds an eighth exactly.
    optimizer = {"name": "sgd", "learning_rate": 0.125}
    (history,) = fit(
        [network], ROWS, make_config(epochs=1, batch_size=ONE_BATCH, optimizer=optimizer)
    )

    assert history.losses == pytest.approx([np.mean(errors**2)], rel=1e-13)
    assert network.get_weights()[-1] == pytest.approx([bias_after_one_step], rel=1e-13)


def test_every_epoch_is_reported_once_with_its_losses() -> None:
    reports: list[tuple[int, list[float]]] = []

    def on_epoch(epoch: int, losses: NDArray[Any]) -> None:
        reports.append((epoch, losses.tolist()))

    networks = [build_cross(CrossNetwork(), seed) for seed in (1, 2)]
    one, two = fit(networks, ROWS, make_config(epochs=4, batch_size=1015), on_epoch)
    assert [epoch for epoch, _ in reports] == [1, 2, 3, 4]
    assert [losses for _, losses in reports] == [
        list(pair) for pair in zip(one.losses, two.losses, strict=True)
    ]


def test_a_learning_rate_that_is_too_high_names_the_epoch_of_the_divergence() -> None:
    # One update an epoch, so that several epochs pass before the loss is too large for float32.
    config = make_config(
        epochs=50, batch_size=ONE_BATCH, optimizer={"name": "sgd", "learning_rate": 1000}
    )
    network = build_cross(CrossNetwork(), SEED)
    initial_weights = network.get_weights()
    epochs: list[int] = []

    with pytest.raises(TrainingDiverged) as diverged:
        fit([network], ROWS, config, lambda epoch, losses: epochs.append(epoch))

    (epoch,) = re.findall(r"the loss of epoch (\d+) is not finite", str(diverged.value))
    assert epochs == list(range(1, int(epoch)))
    assert len(epochs) > 1
    assert "below 1000" in str(diverged.value)
    for before, after in zip(initial_weights, network.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
