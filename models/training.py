"""From a config to a trained network: which starts are made, and which one is kept."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Generic, NamedTuple, TypeVar

import keras
import numpy as np
from scipy.special import xlogy

from models.config import GradientDescent, LevenbergMarquardt, ModelName, TrainConfig
from models.data import Split
from models.evaluation import BLOCK_ROWS
from models.gradient_descent import Descent, Epoch
from models.networks import build, predict, predict_rows
from models.preprocessing import Encoded
from models.rows import InMemory, Rows, Sides
from models.starts import OnStep, Run, Start, choose, exact_starts
from models.stopping import DIVERGED
from models.table_descent import TableDescent


class TrainingDiverged(Exception):
    """The loss became infinite or not a number."""


class Attempt(NamedTuple):
    """One start: the seed of its weights, its RMSE in training, and what came of it."""

    seed: int
    train_rmse: float
    outcome: str


class TableAttempt(NamedTuple):
    """One start on a table: the seed of its weights, its validation loss, and what came of it."""

    seed: int
    validation_loss: float
    outcome: str


A = TypeVar("A", Attempt, TableAttempt)


class Trained(NamedTuple, Generic[A]):
    """The network that was kept, and how it came about.

    Losses are mean squared errors, of tables those of the scaled target, or cross-entropies.
    """

    network: keras.Model
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
    on_step: OnStep = lambda step, steps, loss: None,
) -> Trained[Attempt]:
    """Trains the network called `name`; of `config.restarts` starts the best in training is kept.

    If none of them is better than the mean predictor, all are made again from the next seeds, at
    most `config.max_restarts` times; then the best of the last ones is kept all the same.

    Raises:
        TrainingDiverged: No start has a finite loss.
    """
    started = time.perf_counter()
    mean_predictor = float(np.std(split.targets))
    if isinstance(config.optimizer, LevenbergMarquardt):
        no_codes = np.empty((0, len(split.targets)), np.int32)
        rows = InMemory(Encoded(split.features.T, no_codes, split.targets))

        def rmse(network: keras.Model) -> float:
            errors = predict(network, split.features) - split.targets
            return float(np.sqrt(np.mean(errors**2)))

        make = partial(build, name, config)
        run = exact_starts(make, rows, rmse, mean_predictor, config, config.optimizer, on_step)
    else:
        run = _descent(name, split, config, config.optimizer, on_step)

    best, outcomes = choose(run, config, mean_predictor)
    attempts = [Attempt(start.seed, start.error, outcome) for start, outcome in outcomes]
    return Trained(best.network, best.losses, attempts, time.perf_counter() - started)


def train_table(
    name: ModelName,
    table: Sides,
    config: TrainConfig,
    on_step: OnStep = lambda step, steps, loss: None,
) -> Trained[TableAttempt]:
    """Trains the network called `name` on the training rows of a table.

    As `train` does, but starts compete by their errors on the validation rows, and so do the
    epochs of each start. Levenberg–Marquardt needs the table's rows in float64, and a table that
    `models.config.why_not_exact` has nothing against.

    Raises:
        TrainingDiverged: No start has a finite loss.
    """
    started = time.perf_counter()
    mean_predictor = _mean_predictor(table)
    if isinstance(config.optimizer, LevenbergMarquardt):
        run = exact_starts(
            lambda seed: build(name, config, seed, table.preprocessing),
            table.train,
            lambda network: _squared_error(network, table.validation),
            mean_predictor,
            config,
            config.optimizer,
            on_step,
        )
    else:
        run = _table_descent(name, table, config, config.optimizer, on_step)

    best, outcomes = choose(run, config, mean_predictor)
    return Trained(
        best.network,
        best.losses,
        [TableAttempt(start.seed, start.error, outcome) for start, outcome in outcomes],
        time.perf_counter() - started,
        best.validation_losses or [best.error],
        best.best_epoch,
    )


def _mean_predictor(table: Sides) -> float:
    """The validation loss of what predicts the mean of the training rows."""
    if table.preprocessing.task == "regression":
        return _mean_target(table.validation, power=2)  # targets less the mean
    rate, truth = _mean_target(table.train), _mean_target(table.validation)
    return float(-xlogy(truth, rate) - xlogy(1 - truth, 1 - rate))


def _mean_target(rows: Rows, power: int = 1) -> float:
    blocks = rows.blocks(BLOCK_ROWS)
    return sum(float(np.sum(block.targets.astype(float) ** power)) for block in blocks) / rows.rows


def _squared_error(network: keras.Model, rows: Rows) -> float:
    """The mean squared error on all rows."""
    errors = (predict_rows(network, [block]) - block.targets for block in rows.blocks(BLOCK_ROWS))
    return sum(float(np.sum(of_block**2)) for of_block in errors) / rows.rows


def _descent(
    name: ModelName,
    split: Split,
    config: TrainConfig,
    optimizer: GradientDescent,
    on_step: OnStep,
) -> Run:
    """Gradient descent from all seeds side by side; if `hopeful`, stops when all are dead."""
    descent: Descent | None = None

    def run(seeds: list[int], hopeful: bool) -> list[Start]:
        nonlocal descent
        networks = [build(name, config, seed) for seed in seeds]
        if descent is None:
            descent = Descent(networks[0], len(networks), split, optimizer, config.batch_size)
        watch = _Watch(config.epochs, optimizer, hopeful, on_step)
        losses = np.nan_to_num(descent.fit(networks, config.epochs, watch), nan=DIVERGED)
        return [
            Start(seed, network, of_one.tolist(), float(np.sqrt(of_one[-1])), watch.gave_up)
            for seed, network, of_one in zip(seeds, networks, losses.T, strict=True)
        ]

    return run


def _table_descent(
    name: ModelName,
    table: Sides,
    config: TrainConfig,
    optimizer: GradientDescent,
    on_step: OnStep,
) -> Run:
    """As `_descent`, on a table; its rows come in an order that follows from the first seed."""
    descent: TableDescent | None = None

    def run(seeds: list[int], hopeful: bool) -> list[Start]:
        nonlocal descent
        networks = [build(name, config, seed, table.preprocessing) for seed in seeds]
        if descent is None:
            descent = TableDescent(networks[0], len(networks), table, optimizer, config.batch_size)
        watch = _Watch(config.epochs, optimizer, hopeful, on_step)
        draw = np.random.default_rng(seeds[0])
        courses = descent.fit(networks, config.epochs, config.patience, draw, watch)
        return [
            Start(
                seed,
                network,
                course.losses,
                min(course.validation_losses),
                watch.gave_up,
                course.validation_losses,
                course.best_epoch,
            )
            for seed, network, course in zip(seeds, networks, courses, strict=True)
        ]

    return run


class _Watch:
    """Looks at every epoch of starts that are trained side by side; says whether to go on."""

    def __init__(
        self, epochs: int, optimizer: GradientDescent, hopeful: bool, on_step: OnStep
    ) -> None:
        self.epochs, self.optimizer, self.hopeful = epochs, optimizer, hopeful
        self.on_step = on_step
        self.step = 0
        self.gave_up = False

    def __call__(self, epoch: Epoch) -> bool:
        """Reports the epoch; false if all are dead and other starts may be made."""
        self.step += 1
        if not np.isfinite(epoch.losses).any():
            raise TrainingDiverged(
                f"the loss of epoch {self.step} is not finite; "
                f"try a learning rate below {self.optimizer.learning_rate:g}"
            )
        self.on_step(self.step, self.epochs, float(np.nanmin(epoch.losses)))
        self.gave_up = self.hopeful and not epoch.learning.any()
        return not self.gave_up
