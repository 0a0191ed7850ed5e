from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from models import table_descent
from models.config import GradientDescent, ModelName, TrainConfig
from models.gradient_descent import Epoch
from models.networks import build, predict_rows
from models.preprocessing import Encoded
from models.rows import InMemory
from models.schema import Task
from models.table_descent import TableDescent, cross_entropy
from tests.models.encoded import Sample, sample

CONFIG = TrainConfig.model_validate(
    {
        "dataset": "houses",
        "dense": {"hidden_units": [8]},
        "deep_cross": {"hidden_units": [8], "layers": 1},
    }
)
EMBEDDED = TrainConfig.model_validate(
    {
        "dataset": "houses",
        "numeric_embedding": {"frequencies": 4, "width": 3},
        "deep_cross": {"hidden_units": [8], "rank": 2, "experts": 2, "structure": "stacked"},
    }
)
ADAM = GradientDescent(name="adam", learning_rate=0.01)


def network_of(
    table: Sample, name: ModelName = "cross", seed: int = 1, config: TrainConfig = CONFIG
) -> keras.Model:
    return build(name, config, seed, table.preprocessing)


def descent_on(table: Sample, batch_size: int, width: int = 1) -> TableDescent:
    return TableDescent(network_of(table), width, table, ADAM, batch_size)


def draw() -> np.random.Generator:
    return np.random.default_rng(5)


def outputs_of(network: keras.Model, rows: Encoded) -> tf.Tensor:
    return network([rows.numbers.T, rows.codes.T])[:, 0]


@pytest.mark.parametrize("task", ["regression", "binary"])
@pytest.mark.parametrize(
    ("name", "config"),
    [("dense", CONFIG), ("cross", CONFIG), ("deep_cross", CONFIG), ("deep_cross", EMBEDDED)],
    ids=["dense", "cross", "deep_cross", "all of it"],
)
def test_training_ends_where_keras_ends_on_the_same_batches(
    name: ModelName, config: TrainConfig, task: Task
) -> None:
    # Of 1,100 rows 76 are left over, other ones in each epoch.
    table = sample(task)
    ours, reference = (network_of(table, name, config=config) for _ in range(2))
    (course,) = TableDescent(ours, 1, table, ADAM, 256).fit([ours], 2, None, draw())

    # Not by Keras's fit: it updates an embedding only where the batch has its code.
    loss = keras.losses.MeanSquaredError()
    if task == "binary":
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(ADAM.learning_rate)
    variables = reference.trainable_variables
    order = draw()
    losses, validation_losses = [], []
    for _ in range(2):
        batches = list(table.train.blocks(256, order))[:4]
        of_batches = []
        for batch in batches:
            with tf.GradientTape() as tape:
                of_batch = loss(batch.targets, outputs_of(reference, batch))
            gradients = tape.gradient(of_batch, [variable.value for variable in variables])
            optimizer.apply([tf.convert_to_tensor(one) for one in gradients], variables)
            of_batches.append(float(of_batch))
        losses.append(np.mean(of_batches))
        held_out = table.validation.encoded
        validation_losses.append(float(loss(held_out.targets, outputs_of(reference, held_out))))

    assert course.losses == pytest.approx(losses, rel=1e-5)
    assert course.validation_losses == pytest.approx(validation_losses, rel=1e-5)
    assert course.best_epoch == 2
    for mine, theirs in zip(ours.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_rows_in_several_blocks_are_learned_as_those_in_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = sample(rows=1100, validation_rows=700)
    monkeypatch.setattr(table_descent, "VALIDATED_AT_ONCE", 128)
    whole = descent_on(table, 100)
    # 2 numbers and 2 codes are 16 bytes a row.
    monkeypatch.setattr(table_descent, "BLOCK_BYTES", 16 * 400)
    blocks = descent_on(table, 100)
    assert (whole.block_rows, blocks.block_rows) == (1100, 400)
    assert (whole.validation_block_rows, blocks.validation_block_rows) == (768, 384)

    one, other = network_of(table), network_of(table)
    expected = whole.fit([one], 3, None, draw())
    courses = blocks.fit([other], 3, None, draw())
    np.testing.assert_allclose(courses[0][:2], expected[0][:2], rtol=1e-5)
    for mine, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_a_table_smaller_than_a_batch_is_one_batch() -> None:
    table = sample(rows=40, validation_rows=1)
    large, exact = network_of(table), network_of(table)
    courses = descent_on(table, 256).fit([large], 3, None, draw())
    assert courses == descent_on(table, 40).fit([exact], 3, None, draw())
    assert len(set(courses[0].losses)) == 3


class Recorded:
    """Rows that remember the order in which they were asked for."""

    def __init__(self, rows: InMemory) -> None:
        self.all, self.rows = rows, rows.rows
        self.seen: list[list[float]] = []

    def blocks(self, size: int, shuffled: np.random.Generator | None = None) -> Iterator[Encoded]:
        for block in self.all.blocks(size, shuffled):
            self.seen.append(block.targets.tolist())
            yield block


def test_every_epoch_has_an_order_of_its_own() -> None:
    table = sample(rows=100)
    rows = Recorded(table.train)
    recorded = table._replace(train=rows)  # type: ignore[arg-type]
    descent_on(recorded, 50).fit([network_of(table)], 2, None, draw())
    first, second = rows.seen
    assert first != second
    assert sorted(first) == sorted(second)


def test_networks_trained_side_by_side_each_end_as_if_trained_alone() -> None:
    table = sample("binary")
    together = [network_of(table, seed=seed) for seed in (1, 2)]
    courses = descent_on(table, 100, width=2).fit(together, 3, None, draw())
    assert courses[0].losses[-1] != pytest.approx(courses[1].losses[-1], rel=0.01)
    one_by_one = descent_on(table, 100)
    for seed, network, course in zip((1, 2), together, courses, strict=True):
        alone = network_of(table, seed=seed)
        (expected,) = one_by_one.fit([alone], 3, None, draw())
        assert course.losses == pytest.approx(expected.losses, rel=1e-4)
        for mine, theirs in zip(network.get_weights(), alone.get_weights(), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_the_weights_of_the_best_epoch_are_kept_and_no_epoch_follows_in_vain() -> None:
    # So few rows are soon known by heart.
    table = sample(rows=40, validation_rows=200)
    network = network_of(table, "dense")
    fast = GradientDescent(name="adam", learning_rate=0.1)
    descent = TableDescent(network, 1, table, fast, 8)
    (course,) = descent.fit([network], 200, 4, draw())

    least = min(course.validation_losses)
    assert course.validation_losses[course.best_epoch - 1] == least
    assert len(course.losses) == course.best_epoch + 4 < 200
    outputs = predict_rows(network, [table.validation.encoded])
    assert np.mean((outputs - table.validation.encoded.targets) ** 2) == pytest.approx(
        least, rel=1e-5
    )
    assert course.validation_losses[-1] > 1.001 * least


def test_a_second_training_starts_afresh() -> None:
    table = sample()
    descent = descent_on(table, 100)
    first = descent.fit([network_of(table)], 2, None, draw())
    assert descent.fit([network_of(table)], 2, None, draw()) == first


def test_a_cosine_leaves_nearly_nothing_to_do_in_the_last_epochs() -> None:
    table = sample("regression")
    cosine = ADAM.model_copy(update={"schedule": "cosine"})
    steps = {}
    for optimizer in (ADAM, cosine):
        weights: list[NDArray[Any]] = []
        descent = TableDescent(network_of(table), 1, table, optimizer, 256)

        def keep(_: Epoch, descent: TableDescent = descent) -> bool:
            weights.append(descent.stack.weights()[0])  # noqa: B023
            return True

        descent.fit([network_of(table)], 20, None, draw(), keep)
        first, last = (np.abs(weights[i] - weights[i - 1]).mean() for i in (1, -1))
        steps[optimizer.schedule] = last / first
    assert steps["cosine"] < 0.1 * steps["constant"]


def test_dropout_is_repeatable_and_leaves_nothing_out_in_validation() -> None:
    table = sample()
    trained = []
    for _ in range(2):
        network = network_of(table, "dense")
        descent = TableDescent(network, 1, table, ADAM, 100, dropout=0.5, weight_decay=0.1)
        trained.append((network, descent.fit([network], 3, None, draw())))
    (network, (course,)), (again, same) = trained
    assert same == [course]
    outputs = predict_rows(network, [table.validation.encoded])
    loss = np.mean((outputs - table.validation.encoded.targets) ** 2)
    assert loss == pytest.approx(course.validation_losses[course.best_epoch - 1], rel=1e-5)
    for mine, theirs in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)

    plain = network_of(table, "dense")
    (other,) = TableDescent(plain, 1, table, ADAM, 100).fit([plain], 3, None, draw())
    assert other.losses[0] != pytest.approx(course.losses[0], rel=0.01)


def test_a_float64_network_is_trained_in_float64() -> None:
    table = sample(rows=64, dtype="float64")
    config = CONFIG.model_copy(update={"precision": "float64"})
    network = build("cross", config, 1, table.preprocessing)
    errors = predict_rows(network, [table.train.encoded]) - table.train.encoded.targets
    (course,) = TableDescent(network, 1, table, ADAM, 64).fit([network], 1, None, draw())
    assert course.losses == pytest.approx([np.mean(errors**2)], rel=1e-13)


def test_cross_entropy_is_exact_where_probabilities_are_not() -> None:
    outputs, targets = [-1000.0, 1000.0, 0.0, 40.0], [1.0, 1.0, 0.0, 1.0]
    losses = cross_entropy(tf.constant(outputs, tf.float64), tf.constant(targets, tf.float64))
    assert losses.numpy() == pytest.approx([1000, 0, np.log(2), np.exp(-40)], rel=1e-12)
