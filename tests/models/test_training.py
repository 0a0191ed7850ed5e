import re
from collections.abc import Callable
from typing import Any, get_args

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from models.config import (
    CrossNetwork,
    DenseNetwork,
    GradientDescent,
    ModelName,
    OptimizerName,
    TrainConfig,
)
from models.courses import Step
from models.data import Split, synthetic_triples
from models.gradient_descent import Descent, Epoch
from models.gradient_starts import TrainingDiverged
from models.networks import build_cross, build_dense, predict
from models.training import train

# With this seed the dense network learns; with others every ReLU dies.
SEED = 6
ROWS = synthetic_triples(2030, seed=7)
ONE_BATCH = len(ROWS.targets)
ADAGRAD = GradientDescent.model_validate({"name": "adagrad"})
# Keras keeps a learning rate in float32, which holds an eighth exactly.
SGD = GradientDescent(name="sgd", learning_rate=0.125)


def make_network(name: ModelName, seed: int = SEED) -> keras.Model:
    # Two hidden layers: XLA needs a third less time for them than for the experiment's three.
    if name == "dense":
        return build_dense(DenseNetwork(hidden_units=[3, 3]), seed)
    return build_cross(CrossNetwork(), seed)


def fit(
    networks: list[keras.Model],
    split: Split,
    optimizer: GradientDescent,
    epochs: int,
    batch_size: int,
    go_on: Callable[[Epoch], bool] = lambda epoch: True,
) -> NDArray[np.float64]:
    descent = Descent(networks[0], len(networks), split, optimizer, batch_size)
    return descent.fit(networks, epochs, go_on)


def assert_same_weights(one: keras.Model, other: keras.Model) -> None:
    for mine, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("optimizer", get_args(OptimizerName))
@pytest.mark.parametrize("name", get_args(ModelName))
def test_training_ends_where_keras_fit_ends(name: ModelName, optimizer: OptimizerName) -> None:
    config = GradientDescent.model_validate({"name": optimizer})
    ours, reference = make_network(name), make_network(name)
    initial_weights = ours.get_weights()

    losses = fit([ours], ROWS, config, epochs=3, batch_size=200)
    keras_optimizer = keras.optimizers.get(
        {"class_name": optimizer, "config": {"learning_rate": config.learning_rate}}
    )
    reference.compile(loss="mse", optimizer=keras_optimizer, jit_compile=False)
    # The last batch of the 2,030 rows holds 30.
    expected = reference.fit(*ROWS, batch_size=200, epochs=3, shuffle=False, verbose=0)

    np.testing.assert_allclose(losses[:, 0], expected.history["loss"], rtol=1e-5)
    assert_same_weights(ours, reference)
    # Dead networks would agree too.
    assert losses[-1, 0] < 0.95 * losses[0, 0]
    assert np.ptp(ours(ROWS.features)) > 0.1
    for before, after in zip(initial_weights, ours.get_weights(), strict=True):
        assert np.any(before != after)


@pytest.mark.parametrize("name", get_args(ModelName))
def test_networks_trained_side_by_side_each_end_as_if_trained_alone(name: ModelName) -> None:
    seeds = (SEED, 2)
    together = [make_network(name, seed) for seed in seeds]
    losses = fit(together, ROWS, ADAGRAD, epochs=3, batch_size=1015)

    for seed, network, of_one in zip(seeds, together, losses.T, strict=True):
        alone = make_network(name, seed)
        expected = fit([alone], ROWS, ADAGRAD, epochs=3, batch_size=1015)
        assert_same_weights(network, alone)
        np.testing.assert_allclose(of_one, expected[:, 0], rtol=1e-5)
    # Networks that end alike would hide that one took the other's place.
    assert losses[-1, 0] != pytest.approx(losses[-1, 1], rel=0.01)


def test_a_batch_size_above_the_number_of_rows_makes_one_batch() -> None:
    large, exact = make_network("cross"), make_network("cross")
    losses = fit([large], ROWS, ADAGRAD, epochs=3, batch_size=1_000_000)
    expected = fit([exact], ROWS, ADAGRAD, epochs=3, batch_size=ONE_BATCH)
    np.testing.assert_array_equal(losses, expected)
    assert_same_weights(large, exact)


def test_a_second_training_starts_afresh() -> None:
    adam = GradientDescent(name="adam", learning_rate=0.01)
    descent = Descent(make_network("cross"), 1, ROWS, adam, batch_size=1015)
    first, second = make_network("cross"), make_network("cross")
    expected = descent.fit([first], epochs=3)
    np.testing.assert_array_equal(descent.fit([second], epochs=3), expected)
    assert_same_weights(first, second)


def test_one_step_of_gradient_descent_by_hand() -> None:
    network = build_dense(DenseNetwork(hidden_units=[1]), SEED)
    start = [np.ones((3, 1)), np.zeros(1), np.full((1, 1), 2.0), np.zeros(1)]
    network.set_weights(start)
    one_row = Split(np.array([[0.5, 0.25, 0.25]]), np.array([1.0]))

    losses = fit([network], one_row, SGD, epochs=1, batch_size=1)

    # The unit gives 1, the network 2; the error 1 has the gradient 2, and 4 behind the factor 2.
    assert losses.tolist() == [[1.0]]
    kernel, bias, last_kernel, last_bias = network.get_weights()
    assert kernel.tolist() == [[1 - 0.125 * 4 * x] for x in (0.5, 0.25, 0.25)]
    assert bias.tolist() == [-0.5]
    assert last_kernel.tolist() == [[1.75]]
    assert last_bias.tolist() == [-0.25]


def test_a_float64_network_is_trained_in_float64() -> None:
    network = build_cross(CrossNetwork(), SEED, "float64")
    errors = network(ROWS.features).numpy()[:, 0] - ROWS.targets
    bias_after_one_step = -0.125 * 2 * errors.mean()

    losses = fit([network], ROWS, SGD, epochs=1, batch_size=ONE_BATCH)

    assert losses[0] == pytest.approx([np.mean(errors**2)], rel=1e-13)
    assert network.get_weights()[-1] == pytest.approx([bias_after_one_step], rel=1e-13)


def test_fit_calls_back_after_every_epoch_and_stops_when_told_to() -> None:
    seen: list[NDArray[Any]] = []

    def three_epochs(epoch: Any) -> bool:
        seen.append(epoch.losses)
        return len(seen) < 3

    networks = [make_network("cross", seed) for seed in (1, 2)]
    losses = fit(networks, ROWS, ADAGRAD, epochs=50, batch_size=1015, go_on=three_epochs)
    assert losses.shape == (3, 2)
    np.testing.assert_array_equal(seen, losses)


def test_every_epoch_of_a_training_is_reported_once_with_its_loss() -> None:
    steps: list[Step] = []
    config = TrainConfig.model_validate({"epochs": 4, "batch_size": 1015})
    trained = train("cross", ROWS, config, steps.append)
    assert [(step.number, step.of) for step in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [step.losses.tolist() for step in steps] == [[loss] for loss in trained.losses]


def test_a_learning_rate_that_is_too_high_names_the_epoch_of_the_divergence() -> None:
    # One update an epoch, so that several epochs pass before the loss is too large for float32.
    optimizer = {"name": "sgd", "learning_rate": 1000}
    config = TrainConfig.model_validate(
        {"epochs": 50, "batch_size": ONE_BATCH, "optimizer": optimizer, "max_restarts": 0}
    )
    steps: list[Step] = []

    with pytest.raises(TrainingDiverged) as diverged:
        train("cross", ROWS, config, steps.append)

    (epoch,) = re.findall(r"the loss of epoch (\d+) is not finite", str(diverged.value))
    assert [step.number for step in steps] == list(range(1, int(epoch) + 1))
    assert len(steps) > 2
    finite = [bool(np.isfinite(step.losses).all()) for step in steps]
    assert finite == [True] * (len(steps) - 1) + [False]
    assert "below 1000" in str(diverged.value)


# Two hidden layers, as above. From seed 1 every unit dies in the first epoch; from 2 they live.
SMALL_DENSE: dict[str, Any] = {
    "epochs": 5,
    "batch_size": 200,
    "dense": {"hidden_units": [3, 3]},
}
MEAN_PREDICTOR = float(np.std(ROWS.targets))


def rmse(network: keras.Model) -> float:
    return float(np.sqrt(np.mean((predict(network, ROWS.features) - ROWS.targets) ** 2)))


def test_a_dead_start_is_given_up_early_and_made_again_from_the_next_seed() -> None:
    config = TrainConfig.model_validate({**SMALL_DENSE, "seed": 1})
    epochs: list[int] = []
    trained = train("dense", ROWS, config, lambda step: epochs.append(step.number))

    dead, kept = trained.attempts
    assert (dead.seed, dead.outcome) == (1, "dead after epoch 1")
    assert (kept.seed, kept.outcome) == (2, "kept")
    assert kept.train_rmse < 0.5 * MEAN_PREDICTOR < dead.train_rmse
    assert epochs == [1, 1, 2, 3, 4, 5]
    assert len(trained.losses) == 5

    alone = train("dense", ROWS, TrainConfig.model_validate({**SMALL_DENSE, "seed": 2}))
    assert [attempt.seed for attempt in alone.attempts] == [2]
    assert trained.losses == alone.losses
    assert_same_weights(trained.network, alone.network)


def test_without_restarts_a_dead_start_is_trained_to_its_end() -> None:
    config = TrainConfig.model_validate({**SMALL_DENSE, "seed": 1, "max_restarts": 0})
    trained = train("dense", ROWS, config)
    assert [(one.seed, one.outcome) for one in trained.attempts] == [(1, "kept")]
    assert len(trained.losses) == config.epochs
    assert np.ptp(predict(trained.network, ROWS.features)) == 0


def test_when_every_start_was_dead_the_last_is_kept_and_all_are_recorded() -> None:
    # A single unit; from the seeds 1, 2 it dies.
    fields = {**SMALL_DENSE, "dense": {"hidden_units": [1]}, "seed": 1, "max_restarts": 1}
    trained = train("dense", ROWS, TrainConfig.model_validate(fields))
    assert [one.seed for one in trained.attempts] == [1, 2]
    assert [one.outcome for one in trained.attempts][1] == "kept"
    assert all(one.train_rmse > 0.99 * MEAN_PREDICTOR for one in trained.attempts)
    assert len(trained.losses) == 5


def test_seeds_begin_again_after_the_last_one() -> None:
    fields = {"seed": 2**32 - 1, "restarts": 2, "max_restarts": 0, "epochs": 1, "batch_size": 1015}
    config = TrainConfig.model_validate(fields)
    trained = train("cross", ROWS, config)
    assert [one.seed for one in trained.attempts] == [2**32 - 1, 0]


def test_of_several_starts_the_best_in_training_is_kept() -> None:
    config = TrainConfig.model_validate({**SMALL_DENSE, "seed": 1, "restarts": 4})
    steps: list[Step] = []
    trained = train("dense", ROWS, config, steps.append)

    assert [one.seed for one in trained.attempts] == [1, 2, 3, 4]
    errors = [one.train_rmse for one in trained.attempts]
    best = int(np.argmin(errors))
    assert best > 0  # the first one is what would be kept without looking
    outcomes = ["no better than the mean predictor", *["not the best"] * 3]
    outcomes[best] = "kept"
    assert [one.outcome for one in trained.attempts] == outcomes
    assert trained.losses[-1] == pytest.approx(min(errors) ** 2)
    assert min(steps[-1].losses) == steps[-1].losses[best] == trained.losses[-1]

    seed = trained.attempts[best].seed
    alone = train("dense", ROWS, TrainConfig.model_validate({**SMALL_DENSE, "seed": seed}))
    assert rmse(trained.network) == pytest.approx(rmse(alone.network), rel=1e-4)


def test_several_exact_starts_compete_on_a_sample_and_the_best_goes_on_to_all_rows() -> None:
    exact = {
        "name": "levenberg_marquardt",
        "max_evaluations": 15,
        "screening_rows": 200,
        "block_rows": 512,
    }
    fields = {**SMALL_DENSE, "optimizer": exact, "seed": 1, "restarts": 4}
    config = TrainConfig.model_validate(fields)
    reports: list[Step] = []
    trained = train("dense", ROWS, config, reports.append)

    assert [one.seed for one in trained.attempts] == [1, 2, 3, 4]
    (kept,) = [one for one in trained.attempts if one.outcome == "kept"]
    assert kept.train_rmse == min(one.train_rmse for one in trained.attempts)
    assert kept.train_rmse == rmse(trained.network)
    assert kept.train_rmse**2 == pytest.approx(min(trained.losses), rel=1e-9)
    # Four rounds of screening and the last on all rows; steps only ever go forward.
    assert {report.of for report in reports} == {5 * 15}
    steps = [report.number for report in reports]
    assert steps == sorted(set(steps))
    assert 4 * 15 < steps[-1] <= 5 * 15


def test_an_exact_start_that_is_perfect_needs_no_competition() -> None:
    config = TrainConfig.model_validate({"preset": "best"})
    trained = train("cross", ROWS, config)
    assert [(one.seed, one.outcome) for one in trained.attempts] == [(42, "kept")]
    assert trained.attempts[0].train_rmse < 1e-14
