"""From a config to a trained network: which starts are made, and which one is kept."""

import time
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

from models import gradient_descent
from models.config import GradientDescent, LevenbergMarquardt, ModelName, TrainConfig
from models.data import Split
from models.gradient_descent import Epoch
from models.least_squares import EXACT, ROUGH, LeastSquares
from models.networks import build, predict

NO_BETTER = 0.99
"""A start whose RMSE is above this part of the mean predictor's has learned nothing."""

AS_GOOD_AS_EXACT = 1e-12
"""A start whose RMSE is below this part of the mean predictor's needs no competition."""

OnStep = Callable[[int, int, float], None]
"""Called with an epoch's or evaluation's number, how many there may be, and the loss."""


class TrainingDiverged(Exception):
    """The loss became infinite or not a number."""


class Attempt(NamedTuple):
    """One start: the seed of its weights, its RMSE in training, and what came of it."""

    seed: int
    train_rmse: float
    outcome: str


class Trained(NamedTuple):
    """The network that was kept, and how it came about."""

    network: keras.Model
    losses: list[float]
    """Its mean squared error per epoch or evaluation, as met while training."""
    attempts: list[Attempt]
    seconds: float


class Start(NamedTuple):
    """A trained start."""

    seed: int
    network: keras.Model
    losses: list[float]
    rmse: float
    stopped_early: bool = False


def train(
    name: ModelName,
    split: Split,
    config: TrainConfig,
    on_step: OnStep = lambda step, steps, loss: None,
) -> Trained:
    """Trains the network called `name`; of `config.restarts` starts the best in training is kept.

    If none of them is better than the mean predictor, all are made again from the next seeds, at
    most `config.max_restarts` times.

    Raises:
        TrainingDiverged: A loss is not finite.
    """
    started = time.perf_counter()
    mean_predictor = float(np.std(split.targets))
    attempts: list[Attempt] = []
    seed = config.seed
    for restarts_left in range(config.max_restarts, -1, -1):
        seeds = [(seed + index) % 2**32 for index in range(config.restarts)]
        starts = _fit(name, seeds, split, config, on_step, hopeful=restarts_left > 0)
        best = min(starts, key=lambda start: start.rmse)
        learned = best.rmse < NO_BETTER * mean_predictor
        for start in starts:
            kept = start is best and (learned or not restarts_left)
            attempts.append(Attempt(start.seed, start.rmse, _outcome(start, kept, mean_predictor)))
        if learned:
            break
        seed += config.restarts
    return Trained(best.network, best.losses, attempts, time.perf_counter() - started)


def _outcome(start: Start, kept: bool, mean_predictor: float) -> str:
    if kept:
        return "kept"
    if start.stopped_early:
        return f"dead after {len(start.losses)} epochs"
    if start.rmse >= NO_BETTER * mean_predictor:
        return "no better than the mean predictor"
    return "not the best"


def _fit(
    name: ModelName,
    seeds: list[int],
    split: Split,
    config: TrainConfig,
    on_step: OnStep,
    hopeful: bool,
) -> list[Start]:
    if isinstance(config.optimizer, LevenbergMarquardt):
        return _solve(name, seeds, split, config, config.optimizer, on_step)
    return _descend(name, seeds, split, config, config.optimizer, on_step, hopeful)


def _descend(
    name: ModelName,
    seeds: list[int],
    split: Split,
    config: TrainConfig,
    optimizer: GradientDescent,
    on_step: OnStep,
    hopeful: bool,
) -> list[Start]:
    """Gradient descent from all seeds side by side; if `hopeful`, stops when all are dead."""
    networks = [build(name, config, seed) for seed in seeds]
    step = 0
    alive = True

    def go_on(epoch: Epoch) -> bool:
        nonlocal step, alive
        step += 1
        if not np.isfinite(epoch.losses).all():
            raise TrainingDiverged(
                f"the loss of epoch {step} is not finite; "
                f"try a learning rate below {optimizer.learning_rate:g}"
            )
        on_step(step, config.epochs, float(epoch.losses.min()))
        alive = bool(epoch.learning.any())
        return alive or not hopeful

    losses = gradient_descent.fit(
        networks,
        split,
        optimizer,
        epochs=config.epochs,
        batch_size=config.batch_size,
        go_on=go_on,
    )
    return [
        Start(seed, network, of_one.tolist(), float(np.sqrt(of_one[-1])), not alive and hopeful)
        for seed, network, of_one in zip(seeds, networks, losses.T, strict=True)
    ]


def _solve(
    name: ModelName,
    seeds: list[int],
    split: Split,
    config: TrainConfig,
    exact: LevenbergMarquardt,
    on_step: OnStep,
) -> list[Start]:
    """Levenberg–Marquardt. Several seeds compete on the first rows; the best goes on to all."""
    networks = [build(name, config, seed) for seed in seeds]
    rounds = len(seeds) + 1 if len(seeds) > 1 else 1
    done = 0

    def on_evaluation(number: int, loss: float) -> None:
        on_step(done + number, rounds * exact.max_evaluations, loss)

    def solve(
        problem: LeastSquares, seed: int, network: keras.Model, tolerance: float = EXACT
    ) -> Start:
        nonlocal done
        solution = problem.solve(
            network.get_weights(), exact.max_evaluations, tolerance, on_evaluation
        )
        network.set_weights(solution.weights)
        done += exact.max_evaluations
        errors = predict(network, split.features) - split.targets
        return Start(seed, network, solution.losses, float(np.sqrt(np.mean(errors**2))))

    everything = LeastSquares(networks[0], split, exact.block_rows)
    if len(networks) == 1:
        return [solve(everything, seeds[0], networks[0])]

    sample = Split(*(column[: exact.screening_rows] for column in split))
    screening = LeastSquares(networks[0], sample, exact.block_rows)
    starts = []
    for seed, network in zip(seeds, networks, strict=True):
        starts.append(solve(screening, seed, network, ROUGH))
        if starts[-1].rmse < AS_GOOD_AS_EXACT * np.std(split.targets):
            break  # a perfect one; nothing is left to be won
    best = min(range(len(starts)), key=lambda index: starts[index].rmse)
    starts[best] = solve(everything, starts[best].seed, starts[best].network)
    return starts
