from typing import Any, get_args

import keras
import numpy as np
import pytest

from models.config import DenseNetwork, GradientDescent, OptimizerName
from models.data import Split, synthetic_triples
from models.gradient_descent import Descent, Epoch
from models.networks import build_dense
from models.side_by_side import first_weights, make_optimizer
from tests.models.family import TABLES, WAVES, make_network

ROWS = synthetic_triples(600, seed=7)
ADAM = GradientDescent(name="adam", learning_rate=0.01)
# Keras keeps a learning rate in float32, which holds an eighth exactly.
SGD = GradientDescent(name="sgd", learning_rate=0.125)


def train(
    networks: list[keras.Model],
    epochs: int = 2,
    optimizer: GradientDescent = ADAM,
    split: Split = ROWS,
    batch_size: int = 200,
    seed: int = 0,
    **how: float,
) -> Any:
    """The losses, `(epochs, networks)`."""
    descent = Descent(networks[0], len(networks), split, optimizer, batch_size, **how)
    return descent.fit(networks, epochs, seed=seed)


def thousand_units() -> keras.Model:
    """Says 1 of everything, as the mean of a thousand units that say 1."""
    network = build_dense(DenseNetwork(hidden_units=[1000]), 1)
    kernel, bias, last, last_bias = network.get_weights()
    network.set_weights([0 * kernel, bias + 1, 0 * last + 1e-3, last_bias])
    return network


def test_a_part_of_the_hidden_units_is_left_out_and_the_others_are_larger() -> None:
    still = GradientDescent(name="sgd", learning_rate=1e-12)
    one_row = Split(np.zeros((1, 3)), np.zeros(1))
    networks = [thousand_units() for _ in range(4)]
    losses = train(networks, 25, still, one_row, batch_size=1, dropout=0.25)
    stayed = np.sqrt(losses) * 750
    np.testing.assert_allclose(stayed, np.round(stayed), atol=1e-2)
    assert stayed.mean() == pytest.approx(750, abs=10)
    assert stayed.std() == pytest.approx((1000 * 0.25 * 0.75) ** 0.5, rel=0.4)
    # Others in each network and each update.
    assert len(np.unique(np.round(stayed))) > 30


def test_each_row_and_each_layer_leaves_out_units_of_its_own() -> None:
    still = GradientDescent(name="sgd", learning_rate=1e-12)
    network = build_dense(DenseNetwork(hidden_units=[500, 500]), 1)
    # A unit of the second layer says 2 where it and its like in the first one stay.
    weights = [0 * weight for weight in network.get_weights()]
    weights[1] += 1
    weights[2] = np.eye(500)
    weights[4] += 1 / 500
    network.set_weights(weights)
    rows = Split(np.zeros((200, 3)), np.zeros(200))
    (loss,) = train([network], 1, still, rows, batch_size=200, dropout=0.5)[0]
    # Were the same ones left out twice, a row would say 2; if by all rows, they had no mean.
    assert loss == pytest.approx(1 + 3 / 500, abs=0.02)


def test_what_is_left_out_follows_from_the_seed() -> None:
    losses = [train([make_network("deep")], 3, seed=seed, dropout=0.5) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(losses[0], losses[1])
    assert (losses[0] != losses[2]).all()


def test_no_dropout_and_no_weight_decay_is_what_it_was() -> None:
    plain, none = make_network("parallel"), make_network("parallel")
    expected = train([plain])
    np.testing.assert_array_equal(train([none], seed=5, dropout=0, weight_decay=0), expected)
    for one, other in zip(plain.get_weights(), none.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", ["cross", "experts"])
def test_a_network_without_hidden_layers_leaves_nothing_out(kind: str) -> None:
    plain = train([make_network(kind)])
    dropping = train([make_network(kind)], dropout=0.5)
    np.testing.assert_allclose(plain, dropping, rtol=1e-5)


def test_networks_alike_part_by_what_is_left_out_of_them() -> None:
    networks = [make_network("deep") for _ in range(2)]
    losses = train(networks, dropout=0.5)
    assert (losses[:, 0] != losses[:, 1]).all()


def test_a_cosine_takes_the_learning_rate_down_over_the_epochs_and_begins_again() -> None:
    cosine = SGD.model_copy(update={"schedule": "cosine"})
    descent = Descent(make_network("deep"), 1, ROWS, cosine, 200)
    once, again, reference = (make_network("deep") for _ in range(3))
    np.testing.assert_array_equal(descent.fit([once], 4), descent.fit([again], 4))

    rates = keras.callbacks.LearningRateScheduler(
        lambda epoch: 0.125 * [1, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5][epoch]
    )
    reference.compile(loss="mse", optimizer=make_optimizer(SGD), jit_compile=False)
    reference.fit(*ROWS, batch_size=200, epochs=4, shuffle=False, verbose=0, callbacks=[rates])
    for mine, expected in zip(once.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", get_args(OptimizerName))
def test_weights_decay_as_by_keras_and_biases_do_not(optimizer: OptimizerName) -> None:
    config = GradientDescent(name=optimizer, learning_rate=0.125)
    ours, reference = make_network("parallel"), make_network("parallel")
    train([ours], 2, config, weight_decay=0.5)

    theirs = make_optimizer(config, 0.5)
    spared = [weight for weight in reference.weights if weight.name == "bias"]
    assert len(spared) == 4
    theirs.exclude_from_weight_decay(spared)
    reference.compile(loss="mse", optimizer=theirs, jit_compile=False)
    reference.fit(*ROWS, batch_size=200, epochs=2, shuffle=False, verbose=0)
    for mine, expected in zip(ours.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-3, atol=1e-4)


def test_one_step_of_weight_decay_by_hand() -> None:
    network = build_dense(DenseNetwork(hidden_units=[1]), 1)
    network.set_weights([np.ones((3, 1)), np.zeros(1), np.full((1, 1), 2.0), np.zeros(1)])
    right = Split(np.array([[0.5, 0.25, 0.25]]), np.array([2.0]))
    train([network], 1, SGD, right, batch_size=1, weight_decay=0.5)
    # Without an error there is no gradient: kernels lose a sixteenth, biases nothing.
    kernel, bias, last, last_bias = network.get_weights()
    assert kernel.tolist() == [[0.9375]] * 3
    assert last.tolist() == [[1.875]]
    assert [bias.tolist(), last_bias.tolist()] == [[0], [0]]


@pytest.mark.parametrize(
    ("kind", "layers"), [("deep", 1), ("deeply crossed", 1), ("parallel", 2), ("stacked", 1)]
)
def test_the_first_weights_take_the_features(kind: str, layers: int) -> None:
    network = make_network(kind)
    shapes = [network.get_weights()[index].shape for index in first_weights(network)]
    assert [shape[0] for shape in shapes] == [3] * layers


@pytest.mark.parametrize(
    ("table", "fields", "expected"),
    [
        ("both", {}, ["matrix_0"]),
        ("numbers", {}, ["kernel", "kernel"]),
        ("both", WAVES, ["frequencies"]),
        ("numbers", WAVES, ["frequencies"]),
    ],
)
def test_the_first_weights_of_a_table_s_network(
    table: str, fields: dict[str, Any], expected: list[str]
) -> None:
    network = make_network("parallel", TABLES[table], **fields)
    assert [network.weights[index].name for index in first_weights(network)] == expected


@pytest.mark.parametrize(("kind", "learns"), [("deep", False), ("parallel", True)])
def test_where_all_hidden_units_are_dead_what_is_beside_them_learns(
    kind: str, learns: bool
) -> None:
    network = make_network(kind)
    hidden = [layer for layer in network.layers if getattr(layer, "units", 1) > 1]
    for layer in hidden:
        kernel, bias = layer.get_weights()
        layer.set_weights([0 * kernel, 0 * bias - 1])
    epochs: list[Epoch] = []

    def note(epoch: Epoch) -> bool:
        epochs.append(epoch)
        return True

    Descent(network, 1, ROWS, ADAM, 200).fit([network], 1, note)
    assert [epoch.learning.tolist() for epoch in epochs] == [[learns]]
