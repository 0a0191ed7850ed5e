"""From a config to a trained network: which starts are made, and which one is kept."""

import time
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
from models.rows import InMemory, Rows, Sides, of_numbers
from models.schema import Task
from models.starts import Start, choose


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
    validation_losses: Sequence[float] = ()
    """Of tables: per epoch; of an exact training the last one alone."""
    best_epoch: int | None = None
    """Of tables: the epoch, counted from 1, whose weights the network has; exact: None."""


def train(
    name: ModelName,
    split: Split,
    config: TrainConfig,
    on_step: OnStep = lambda step: None,
) -> Trained[Attempt]:
    """Trains the network called `name` as `models.starts.choose` says.

    Starts and repeats compete by their errors in training.

    Raises:
        TrainingDiverged: No start has a finite loss.
    """
    started = time.perf_counter()
    mean_predictor = float(np.std(split.targets))
    make = partial(build, name, config)

    def rmse(network: keras.Model) -> float:
        errors = predict(network, split.features) - split.targets
        return float(np.sqrt(np.mean(errors**2)))

    if isinstance(config.optimizer, LevenbergMarquardt):
        rows = InMemory(of_numbers(*split))
        run = exact_starts(make, rows, rmse, mean_predictor, config, config.optimizer, on_step)
    else:
        run = descent_starts(make, split, config, config.optimizer, on_step)

    kept, outcomes = choose(run, config, mean_predictor, partial(_mean_of, error=rmse))
    attempts = [Attempt(of.seed, of.error, outcome, repeat) for of, repeat, outcome in outcomes]
    best = min(kept, key=lambda start: start.error)
    return Trained(best.network, kept, best.losses, attempts, time.perf_counter() - started)


def train_table(
    name: ModelName,
    table: Sides,
    config: TrainConfig,
    on_step: OnStep = lambda step: None,
) -> Trained[TableAttempt]:
    """Trains the network called `name` on the training rows of a table.

    As `train` does, but starts and repeats compete by their errors on the validation rows, and so
    do the epochs of each start. Levenberg–Marquardt needs the table's rows in float64, and a table
    that `models.exactness.why_not_exact` has nothing against.

    Raises:
        TrainingDiverged: No start has a finite loss.
    """
    started = time.perf_counter()
    mean_predictor = _mean_predictor(table)
    make = partial(build, name, config, preprocessing=table.preprocessing)
    loss = partial(_loss, rows=table.validation, task=table.preprocessing.task)
    if isinstance(config.optimizer, LevenbergMarquardt):
        exact = config.optimizer
        run = exact_starts(make, table.train, loss, mean_predictor, config, exact, on_step)
    else:
        run = table_starts(make, table, config, config.optimizer, on_step)

    kept, outcomes = choose(run, config, mean_predictor, partial(_mean_of, error=loss))
    best = min(kept, key=lambda start: start.error)
    return Trained(
        best.network,
        kept,
        best.losses,
        [TableAttempt(of.seed, of.error, outcome, repeat) for of, repeat, outcome in outcomes],
        time.perf_counter() - started,
        best.validation_losses or [best.error],
        best.best_epoch,
    )


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
