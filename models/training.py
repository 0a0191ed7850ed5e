"""From a config to a trained network: which starts are made, and which one is kept."""

import time
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

from models.config import GradientDescent, LevenbergMarquardt, ModelName, TrainConfig
from models.data import Split
from models.gradient_descent import Descent, Epoch
from models.least_squares import EXACT, ROUGH, LeastSquares
from models.networks import build, predict

NO_BETTER = 0.99
"""A start whose RMSE is above this part of the mean predictor's has learned nothing."""

AS_GOOD_AS_EXACT = 1e-12
"""A start whose RMSE is below this part of the mean predictor's needs no competition."""

DIVERGED = float(np.finfo(np.float64).max)
"""The loss of a start that diverged beside others that did not."""

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


Run = Callable[[list[int], bool], list[Start]]
"""Trains from these seeds; the flag says whether there may be more to come."""


def train(
    name: ModelName,
    split: Split,
    config: TrainConfig,
    on_step: OnStep = lambda step, steps, loss: None,
) -> Trained:
    """Trains the network called `name`; of `config.restarts` starts the best in training is kept.

    If none of them is better than the mean predictor, all are made again from the next seeds, at
    most `config.max_restarts` times; then the best of the last ones is kept all the same.

    Raises:
        TrainingDiverged: No start has a finite loss.
    """
    started = time.perf_counter()
    mean_predictor = float(np.std(split.targets))
    if isinstance(config.optimizer, LevenbergMarquardt):
        run = _solver(name, split, config, config.optimizer, on_step)
    else:
        run = _descent(name, split, config, config.optimizer, on_step)

    attempts: list[Attempt] = []
    for restarts_left in range(config.max_restarts, -1, -1):
        seeds = [(config.seed + len(attempts) + index) % 2**32 for index in range(config.restarts)]
        starts = run(seeds, restarts_left > 0)
        best = min(starts, key=lambda start: start.rmse)
        learned = best.rmse < NO_BETTER * mean_predictor
        for start in starts:
            kept = start is best and (learned or not restarts_left)
            attempts.append(Attempt(start.seed, start.rmse, _outcome(start, kept, mean_predictor)))
        if learned:
            break
    return Trained(best.network, best.losses, attempts, time.perf_counter() - started)


def _outcome(start: Start, kept: bool, mean_predictor: float) -> str:
    if kept:
        return "kept"
    if start.stopped_early:
        return f"dead after epoch {len(start.losses)}"
    if start.rmse >= NO_BETTER * mean_predictor:
        return "no better than the mean predictor"
    return "not the best"


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
        step = 0
        alive = True

        def go_on(epoch: Epoch) -> bool:
            nonlocal step, alive
            step += 1
            if not np.isfinite(epoch.losses).any():
                raise TrainingDiverged(
                    f"the loss of epoch {step} is not finite; "
                    f"try a learning rate below {optimizer.learning_rate:g}"
                )
            on_step(step, config.epochs, float(np.nanmin(epoch.losses)))
            alive = bool(epoch.learning.any())
            return alive or not hopeful

        losses = np.nan_to_num(descent.fit(networks, config.epochs, go_on), nan=DIVERGED)
        dead = hopeful and not alive
        return [
            Start(seed, network, of_one.tolist(), float(np.sqrt(of_one[-1])), dead)
            for seed, network, of_one in zip(seeds, networks, losses.T, strict=True)
        ]

    return run


def _solver(
    name: ModelName,
    split: Split,
    config: TrainConfig,
    exact: LevenbergMarquardt,
    on_step: OnStep,
) -> Run:
    """Levenberg–Marquardt. Several seeds compete on the first rows; the best goes on to all."""
    shape = build(name, config, config.seed)
    everything = LeastSquares(shape, split, exact.block_rows)
    sample = Split(*(column[: exact.screening_rows] for column in split))
    screening = LeastSquares(shape, sample, exact.block_rows)
    rounds = config.restarts + 1 if config.restarts > 1 else 1

    def solve(problem: LeastSquares, start: Start, done: int, tolerance: float) -> Start:
        def on_evaluation(number: int, loss: float) -> None:
            evaluations = exact.max_evaluations
            on_step(done * evaluations + number, rounds * evaluations, loss)

        network = start.network
        solution = problem.solve(
            network.get_weights(), exact.max_evaluations, tolerance, on_evaluation
        )
        network.set_weights(solution.weights)
        errors = predict(network, split.features) - split.targets
        return Start(start.seed, network, solution.losses, float(np.sqrt(np.mean(errors**2))))

    def run(seeds: list[int], hopeful: bool) -> list[Start]:
        starts: list[Start] = []
        for done, seed in enumerate(seeds):
            start = Start(seed, build(name, config, seed), [], np.inf)
            if len(seeds) > 1:
                start = solve(screening, start, done, ROUGH)
            starts.append(start)
            if start.rmse < AS_GOOD_AS_EXACT * np.std(split.targets):
                break  # a perfect one; nothing is left to be won
        best = min(range(len(starts)), key=lambda index: starts[index].rmse)
        starts[best] = solve(everything, starts[best], rounds - 1, EXACT)
        return starts

    return run
