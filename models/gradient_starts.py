"""Starts by gradient descent: all of them side by side."""

from itertools import islice

import numpy as np

from models.config import GradientDescent, ModelName, TrainConfig
from models.courses import Born, OnStep, Step
from models.data import Split
from models.gradient_descent import Descent, Epoch
from models.parts import Build, Part, Share, Train, Trainer
from models.rows import Sides
from models.starts import Run, Start, groups_of
from models.stopping import DIVERGED
from models.table_descent import TableDescent


class TrainingDiverged(Exception):
    """The loss became infinite or not a number."""


def descent_starts(
    name: ModelName,
    build: Build,
    split: Split,
    config: TrainConfig,
    optimizer: GradientDescent,
) -> Trainer:
    """Gradient descent from all seeds side by side; if `hopeful`, stops when all are dead."""
    descent: Descent | None = None

    def train(part: Part, on_step: OnStep) -> list[Start]:
        nonlocal descent
        born, networks = part.starts, [build(each.seed) for each in part.starts]
        descent = descent or Descent(
            networks[0],
            len(networks),
            split,
            optimizer,
            batch_size(config, len(split.targets)),
            dropout=config.dropout,
            weight_decay=config.weight_decay,
        )
        watch = _Watch(born, config.epochs, optimizer, part.hopeful, on_step)
        losses = np.nan_to_num(
            descent.fit(networks, config.epochs, watch, seed=born[0].seed), nan=DIVERGED
        )
        return [
            Start(start.seed, network, of_one.tolist(), float(np.sqrt(of_one[-1])), watch.gave_up)
            for start, network, of_one in zip(born, networks, losses.T, strict=True)
        ]

    return _all_together(name, config, train)


def table_starts(
    name: ModelName,
    build: Build,
    table: Sides,
    config: TrainConfig,
    optimizer: GradientDescent,
) -> Trainer:
    """As `descent_starts`, on a table; the first seed draws the order of the rows, for all."""
    descent: TableDescent | None = None

    def train(part: Part, on_step: OnStep) -> list[Start]:
        nonlocal descent
        born, networks = part.starts, [build(each.seed) for each in part.starts]
        descent = descent or TableDescent(
            networks[0],
            len(networks),
            table,
            optimizer,
            batch_size(config, table.train.rows),
            dropout=config.dropout,
            weight_decay=config.weight_decay,
        )
        watch = _Watch(born, config.epochs, optimizer, part.hopeful, on_step)
        draw = np.random.default_rng(born[0].seed)
        courses = descent.fit(networks, config.epochs, config.patience, draw, watch)
        return [
            Start(
                start.seed,
                network,
                course.losses,
                min(course.validation_losses),
                watch.gave_up,
                course.validation_losses,
                course.best_epoch,
            )
            for start, network, course in zip(born, networks, courses, strict=True)
        ]

    return _all_together(name, config, train)


def batch_size(config: TrainConfig, rows: int) -> int:
    """The rows of an update. Where that is left open, a small table has fewer: patience counts
    epochs, and each is to have some updates."""
    return config.batch_size or min(256, max(16, rows // 32))


def _all_together(name: ModelName, config: TrainConfig, train: Train) -> Trainer:
    """The seeds of all repeats are one part."""

    def part(groups: list[list[int]], hopeful: bool) -> Part:
        born = (Born(repeat, seed) for repeat, seeds in enumerate(groups, 1) for seed in seeds)
        return Part(name, tuple(born), hopeful=hopeful)

    def run(share: Share) -> Run:
        def of(groups: list[list[int]], hopeful: bool) -> list[list[Start]]:
            (together,) = share([part(groups, hopeful)])
            starts = iter(together)
            return [list(islice(starts, len(group))) for group in groups]

        return of

    return Trainer([part(groups_of(config, 0), config.max_restarts > 0)], train, run)


class _Watch:
    """Looks at every epoch of starts that are trained side by side; says whether to go on."""

    def __init__(
        self,
        born: tuple[Born, ...],
        epochs: int,
        optimizer: GradientDescent,
        hopeful: bool,
        on_step: OnStep,
    ) -> None:
        self.born, self.epochs, self.optimizer, self.hopeful = born, epochs, optimizer, hopeful
        self.on_step = on_step
        self.step = 0
        self.gave_up = False

    def __call__(self, epoch: Epoch) -> bool:
        """Reports the epoch; false if all are dead and other starts may be made."""
        self.step += 1
        losses, learning, validation_losses, running = epoch
        self.on_step(
            Step(self.step, self.epochs, self.born, losses, validation_losses, learning, running)
        )
        if not np.isfinite(epoch.losses).any():
            raise TrainingDiverged(
                f"the loss of epoch {self.step} is not finite; "
                f"try a learning rate below {self.optimizer.learning_rate:g}"
            )
        self.gave_up = self.hopeful and not epoch.learning.any()
        return not self.gave_up
