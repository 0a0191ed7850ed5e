"""From a config to a trained network: which starts are made, and which one is kept."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, NamedTuple, TypeVar

import keras
import numpy as np
from scipy.special import xlogy

from models.config import LevenbergMarquardt, ModelName, TrainConfig
from models.courses import OnStep
from models.data import Split
from models.evaluation import BLOCK_ROWS
from models.exact_starts import exact_starts
from models.gradient_starts import descent_starts, table_starts
from models.losses import cross_entropies, squared_errors
from models.networks import build, ensemble, predict, predict_rows
from models.parts import Build, Share, Trainer, alone
from models.rows import InMemory, Rows, Sides, of_numbers
from models.schema import Task
from models.starts import Outcome, Start, choose


class Attempt(NamedTuple):
    """One start: the seed of its weights, its RMSE in training, and what came of it."""

    seed: int
    train_rmse: float
    outcome: str
    repeat: int


class TableAttempt(NamedTuple):
    """One start on a table: the seed of its weights, its validation loss, and what came of it."""

    seed: int
    validation_loss: float
    outcome: str
    repeat: int


A = TypeVar("A", Attempt, TableAttempt)


class Trained(NamedTuple, Generic[A]):
    """The network that was kept of the best repeat, and how it came about.

    Losses are mean squared errors, of tables those of the scaled target, or cross-entropies; of
    an ensemble they are those of its best start.
    """

    network: keras.Model
    repeats: list[Start]
    """What each repeat kept; the best one's network is `network`."""
    losses: list[float]
    """Per epoch or evaluation, as met while training."""
    attempts: list[A]
    seconds: float
    """Of training alone, wherever that was."""
    validation_losses: Sequence[float] = ()
    """Of tables: per epoch; of an exact training the last one alone."""
    best_epoch: int | None = None
    """Of tables: the epoch, counted from 1, whose weights the network has; exact: None."""


class Training(NamedTuple, Generic[A]):
    """The training of a network, whose parts anybody can do."""

    build: Build
    trainer: Trainer
    conclude: Callable[[Share], Trained[A]]
    """Keeps the best of what the parts give. Raises TrainingDiverged if no loss is finite."""

    def alone(self, on_step: OnStep = lambda step: None) -> Trained[A]:
        """Trains all parts here, one after the other. Raises as `conclude`."""
        return self.conclude(alone(self.trainer.train, on_step))


def training(name: ModelName, split: Split, config: TrainConfig) -> Training[Attempt]:
    """How the network called `name` is trained; what is kept, `models.starts.choose` says.

    Starts and repeats compete by their errors in training.
    """
    mean_predictor = float(np.std(split.targets))
    make = partial(build, name, config)

    def rmse(network: keras.Model) -> float:
        errors = predict(network, split.features) - split.targets
        return float(np.sqrt(np.mean(errors**2)))

    if isinstance(config.optimizer, LevenbergMarquardt):
        rows, exact = InMemory(of_numbers(*split)), config.optimizer
        trainer = exact_starts(name, make, rows, rmse, mean_predictor, config, exact)
    else:
        trainer = descent_starts(name, make, split, config, config.optimizer)

    def conclude(share: Share) -> Trained[Attempt]:
        join = partial(_mean_of, error=rmse)
        kept, outcomes = choose(trainer.run(share), config, mean_predictor, join)
        attempts = [Attempt(of.seed, of.error, outcome, repeat) for of, repeat, outcome in outcomes]
        best = min(kept, key=lambda start: start.error)
        return Trained(best.network, kept, best.losses, attempts, _seconds(outcomes))

    return Training(make, trainer, conclude)


def table_training(name: ModelName, table: Sides, config: TrainConfig) -> Training[TableAttempt]:
    """How the network called `name` is trained on the training rows of a table.

    As `training`, but starts and repeats compete by their errors on the validation rows, and so do
    the epochs of each start. Levenberg–Marquardt needs the table's rows in float64, and a table
    that `models.exactness.why_not_exact` has nothing against.
    """
    mean_predictor = _mean_predictor(table)
    make = partial(build, name, config, preprocessing=table.preprocessing)
    loss = partial(_loss, rows=table.validation, task=table.preprocessing.task)
    if isinstance(config.optimizer, LevenbergMarquardt):
        exact = config.optimizer
        trainer = exact_starts(name, make, table.train, loss, mean_predictor, config, exact)
    else:
        trainer = table_starts(name, make, table, config, config.optimizer)

    def conclude(share: Share) -> Trained[TableAttempt]:
        join = partial(_mean_of, error=loss)
        kept, outcomes = choose(trainer.run(share), config, mean_predictor, join)
        best = min(kept, key=lambda start: start.error)
        return Trained(
            best.network,
            kept,
            best.losses,
            [TableAttempt(of.seed, of.error, outcome, repeat) for of, repeat, outcome in outcomes],
            _seconds(outcomes),
            best.validation_losses or [best.error],
            best.best_epoch,
        )

    return Training(make, trainer, conclude)


def train(
    name: ModelName,
    split: Split,
    config: TrainConfig,
    on_step: OnStep = lambda step: None,
) -> Trained[Attempt]:
    """Trains the network called `name` here. Raises TrainingDiverged if no loss is finite."""
    return training(name, split, config).alone(on_step)


def train_table(
    name: ModelName,
    table: Sides,
    config: TrainConfig,
    on_step: OnStep = lambda step: None,
) -> Trained[TableAttempt]:
    """As `train`, on a table."""
    return table_training(name, table, config).alone(on_step)


def _seconds(outcomes: list[Outcome]) -> float:
    return sum(outcome.start.seconds for outcome in outcomes)


def _mean_of(starts: list[Start], error: Callable[[keras.Model], float]) -> Start:
    """The mean of several networks as one, with the course of the best of them."""
    joined = ensemble([start.network for start in starts])
    best = min(starts, key=lambda start: start.error)
    return best._replace(seed=starts[0].seed, network=joined, error=error(joined))


def _mean_predictor(table: Sides) -> float:
    """The validation loss of what predicts the mean of the training rows."""
    if table.preprocessing.task == "regression":
        return _mean_target(table.validation, power=2)  # targets less the mean
    rate, truth = _mean_target(table.train), _mean_target(table.validation)
    return float(-xlogy(truth, rate) - xlogy(1 - truth, 1 - rate))


def _mean_target(rows: Rows, power: int = 1) -> float:
    blocks = rows.blocks(BLOCK_ROWS)
    return sum(float(np.sum(block.targets.astype(float) ** power)) for block in blocks) / rows.rows


def _loss(network: keras.Model, rows: Rows, task: Task) -> float:
    """The mean squared error of the scaled target on all rows; of a binary one, cross-entropy."""
    losses = squared_errors if task == "regression" else cross_entropies
    total = 0.0
    for block in rows.blocks(BLOCK_ROWS):
        outputs = predict_rows(network, [block])
        total += float(np.sum(losses(outputs, block.targets.astype(np.float64))))
    return total / rows.rows
