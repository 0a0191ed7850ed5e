from typing import Any

import numpy as np
import pytest

from models.config import TrainConfig
from models.courses import Step
from models.gradient_starts import TrainingDiverged, batch_size
from models.networks import predict_rows
from models.training import train_table
from tests.models.encoded import Sample, sample


def config(**fields: Any) -> TrainConfig:
    fast = {"name": "adam", "learning_rate": 0.01}
    recipe = {"dataset": "houses", "optimizer": fast, "repeats": 1}
    return TrainConfig.model_validate({**recipe, **fields})


def validation_loss(network: Any, table: Sample) -> float:
    outputs = predict_rows(network, [table.validation.encoded])
    targets = table.validation.encoded.targets
    if table.preprocessing.task == "regression":
        return float(np.mean((outputs - targets) ** 2))
    return float(np.mean(np.logaddexp(0, outputs) - targets * outputs))


@pytest.mark.parametrize(("task", "least"), [("regression", 0.05), ("binary", 0.3)])
def test_what_is_kept_has_the_validation_loss_that_is_told(task: Any, least: float) -> None:
    table = sample(task, rows=3000)
    steps: list[Step] = []
    trained = train_table("cross", table, config(epochs=30), steps.append)

    assert min(trained.validation_losses) < least
    assert validation_loss(trained.network, table) == pytest.approx(
        min(trained.validation_losses), rel=1e-4
    )
    assert trained.best_epoch == int(np.argmin(trained.validation_losses)) + 1
    (attempt,) = trained.attempts
    assert attempt == (42, min(trained.validation_losses), "kept", 1)
    reports = [(step.number, step.of, step.losses.tolist()) for step in steps]
    assert reports == [(n, 30, [loss]) for n, loss in enumerate(trained.losses, start=1)]
    validated = [step.validation_losses for step in steps]
    np.testing.assert_array_equal(np.array(validated).ravel(), trained.validation_losses)


@pytest.mark.parametrize(("rows", "size"), [(100, 16), (4000, 125), (100_000, 256)])
def test_without_a_batch_size_small_tables_have_many_updates_an_epoch(rows: int, size: int) -> None:
    assert batch_size(config(), rows) == size
    assert batch_size(config(batch_size=50), rows) == 50


def test_of_several_starts_the_best_in_validation_is_kept() -> None:
    table = sample()
    trained = train_table("dense", table, config(epochs=6, restarts=4, seed=1))
    assert [one.seed for one in trained.attempts] == [1, 2, 3, 4]
    losses = [one.validation_loss for one in trained.attempts]
    best = int(np.argmin(losses))
    assert [one.outcome == "kept" for one in trained.attempts] == [i == best for i in range(4)]
    assert best > 0  # the first one is what would be kept without looking
    assert validation_loss(trained.network, table) == pytest.approx(min(losses), rel=1e-4)


def test_starts_that_learn_nothing_are_made_again_and_the_last_is_kept() -> None:
    # What cannot be learned: on other rows nothing is better than the mean.
    table = sample("binary", rows=400)
    draw = np.random.default_rng(0)
    train, validation = (
        rows._replace(
            encoded=rows.encoded._replace(targets=draw.integers(0, 2, rows.rows).astype("f"))
        )
        for rows in (table.train, table.validation)
    )
    table = table._replace(train=train, validation=validation)
    trained = train_table("cross", table, config(epochs=3, max_restarts=1, seed=7))
    assert [(one.seed, one.outcome) for one in trained.attempts] == [
        (7, "no better than the mean predictor"),
        (8, "kept"),
    ]
    assert all(one.validation_loss > 0.99 * np.log(2) for one in trained.attempts)


def test_training_ends_when_validation_has_not_improved_for_so_many_epochs() -> None:
    table = sample(rows=60)
    hasty = {"name": "adam", "learning_rate": 0.1}
    trained = train_table("dense", table, config(optimizer=hasty, epochs=300, patience=3))
    assert trained.best_epoch is not None
    assert len(trained.losses) == len(trained.validation_losses) == trained.best_epoch + 3


def test_a_learning_rate_that_is_too_high_is_told() -> None:
    optimizer = {"name": "sgd", "learning_rate": 1000}
    with pytest.raises(
        TrainingDiverged, match=r"the loss of epoch \d+ is not finite; .*below 1000"
    ):
        train_table("cross", sample(), config(optimizer=optimizer, epochs=50))


def test_the_same_config_gives_the_same_network() -> None:
    first, again = (train_table("cross", sample(), config(epochs=2)) for _ in range(2))
    assert first.losses == again.losses
    for mine, same in zip(first.network.get_weights(), again.network.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, same)


def test_a_table_of_numbers_is_fitted_exactly() -> None:
    table = sample(dtype="float64", words=False)
    exact = {"name": "levenberg_marquardt", "max_evaluations": 50}
    fields = {"optimizer": exact, "cross": {"layers": 1}, "restarts": 2}
    trained = train_table("cross", table, config(**fields))
    assert trained.validation_losses == [validation_loss(trained.network, table)]
    assert trained.validation_losses[0] < 1e-25
    assert trained.best_epoch is None


def test_repeats_are_trained_each_for_itself_and_the_best_in_validation_is_kept() -> None:
    table = sample()
    trained = train_table("dense", table, config(epochs=4, repeats=3, restarts=2, seed=5))
    assert [(one.seed, one.repeat) for one in trained.attempts] == [
        (5, 1),
        (6, 1),
        (7, 2),
        (8, 2),
        (9, 3),
        (10, 3),
    ]
    for repeat, kept in enumerate(trained.repeats, start=1):
        of_repeat = [one for one in trained.attempts if one.repeat == repeat]
        best = min(of_repeat, key=lambda one: one.validation_loss)
        assert (best.seed, best.validation_loss, best.outcome) == (kept.seed, kept.error, "kept")
        assert validation_loss(kept.network, table) == pytest.approx(kept.error, rel=1e-4)
    errors = [kept.error for kept in trained.repeats]
    assert len(set(errors)) == 3
    assert trained.network is trained.repeats[int(np.argmin(errors))].network


def test_a_repeat_that_has_learned_is_not_made_again_with_one_that_has_not() -> None:
    # Of one unit; from some seeds it dies.
    unit = {"dense": {"hidden_units": [1]}, "batch_size": 256}
    fields = {**unit, "epochs": 3, "repeats": 6, "max_restarts": 3}
    trained = train_table("dense", sample(), config(**fields))
    by_repeat = [[one for one in trained.attempts if one.repeat == n] for n in range(1, 7)]
    assert {len(attempts) for attempts in by_repeat} >= {1, 2}
    for attempts in by_repeat:
        *others, last = attempts
        assert last.outcome == "kept"
        assert all(one.outcome != "kept" for one in others)
        assert all((one.seed - attempts[0].seed) % 6 == 0 for one in others)


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_an_ensemble_is_the_mean_of_its_starts(task: Any) -> None:
    table = sample(task)
    fields = {"epochs": 3, "ensemble": 3, "repeats": 2, "seed": 1}
    trained = train_table("dense", table, config(**fields))
    assert [one.outcome for one in trained.attempts] == ["one of the ensemble"] * 6
    assert [kept.seed for kept in trained.repeats] == [1, 4]
    alone = train_table("dense", table, config(epochs=3, repeats=6, seed=1))
    block = table.validation.encoded
    for kept, members in zip(trained.repeats, (alone.repeats[:3], alone.repeats[3:]), strict=True):
        mean = np.mean([predict_rows(member.network, [block]) for member in members], axis=0)
        np.testing.assert_allclose(predict_rows(kept.network, [block]), mean, rtol=1e-4, atol=1e-5)
        assert validation_loss(kept.network, table) == pytest.approx(kept.error, rel=1e-4)
