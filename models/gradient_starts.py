"""Starts by gradient descent: all of them side by side."""

from collections.abc import Callable

import keras
import numpy as np

from models.config import GradientDescent, TrainConfig
from models.data import Split
from models.gradient_descent import Descent, Epoch
from models.rows import Sides
from models.starts import OnStep, Run, Start
from models.stopping import DIVERGED
from models.table_descent import TableDescent

Build = Callable[[int], keras.Model]
"""Makes a network from its seed."""


class TrainingDiverged(Exception):
    """The loss became infinite or not a number."""


def descent_starts(
    build: Build,
    split: Split,
    config: TrainConfig,
    optimizer: GradientDescent,
    on_step: OnStep,
) -> Run:
    """Gradient descent from all seeds side by side; if `hopeful`, stops when all are dead."""
    descent: Descent | None = None

    def run(groups: list[list[int]], hopeful: bool) -> list[list[Start]]:
        nonlocal descent
        seeds = [seed for group in groups for seed in group]
        networks = [build(seed) for seed in seeds]
        if descent is None:
            descent = Descent(
                networks[0],
                len(networks),
                split,
                optimizer,
                config.batch_size,
                dropout=config.dropout,
                weight_decay=config.weight_decay,
            )
        watch = _Watch(config.epochs, optimizer, hopeful, on_step)
        losses = np.nan_to_num(
            descent.fit(networks, config.epochs, watch, seed=seeds[0]), nan=DIVERGED
        )
        starts = [
            Start(seed, network, of_one.tolist(), float(np.sqrt(of_one[-1])), watch.gave_up)
            for seed, network, of_one in zip(seeds, networks, losses.T, strict=True)
        ]
        return _grouped(starts, len(groups))

    return run


def table_starts(
    build: Build,
    table: Sides,
    config: TrainConfig,
    optimizer: GradientDescent,
    on_step: OnStep,
) -> Run:
    """As `descent_starts`, on a table; the first seed draws the order of the rows, for all."""
    descent: TableDescent | None = None

    def run(groups: list[list[int]], hopeful: bool) -> list[list[Start]]:
        nonlocal descent
        seeds = [seed for group in groups for seed in group]
        networks = [build(seed) for seed in seeds]
        if descent is None:
            descent = TableDescent(
                networks[0],
                len(networks),
                table,
                optimizer,
                config.batch_size,
                dropout=config.dropout,
                weight_decay=config.weight_decay,
            )
        watch = _Watch(config.epochs, optimizer, hopeful, on_step)
        draw = np.random.default_rng(seeds[0])
        courses = descent.fit(networks, config.epochs, config.patience, draw, watch)
        starts = [
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
        return _grouped(starts, len(groups))

    return run


def _grouped(starts: list[Start], groups: int) -> list[list[Start]]:
    size = len(starts) // groups
    return [starts[first : first + size] for first in range(0, len(starts), size)]


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
