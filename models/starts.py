"""Trained starts, and which of them is kept."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import numpy as np

from models.config import LevenbergMarquardt, TrainConfig
from models.least_squares import EXACT, ROUGH, LeastSquares
from models.rows import InMemory, Rows

NO_BETTER = 0.99
"""A start whose error is above this part of the mean predictor's has learned nothing."""

AS_GOOD_AS_EXACT = 1e-12
"""A start whose error is below this part of the mean predictor's needs no competition."""

OnStep = Callable[[int, int, float], None]
"""Called with an epoch's or evaluation's number, how many there may be, and the loss."""


class Start(NamedTuple):
    """A trained start, and the error by which it competes with others."""

    seed: int
    network: keras.Model
    losses: list[float]
    error: float
    """Of triples the RMSE in training; of tables the validation loss."""
    stopped_early: bool = False
    validation_losses: Sequence[float] = ()
    best_epoch: int | None = None


Run = Callable[[list[int], bool], list[Start]]
"""Trains from these seeds; the flag says whether there may be more to come."""


def choose(
    run: Run, config: TrainConfig, mean_predictor: float
) -> tuple[Start, list[tuple[Start, str]]]:
    """Makes `config.restarts` starts; returns the one with the smallest error, and all outcomes.

    If none of them is better than the mean predictor, all are made again from the next seeds, at
    most `config.max_restarts` times; then the best of the last ones is kept all the same.
    """
    outcomes: list[tuple[Start, str]] = []
    for restarts_left in range(config.max_restarts, -1, -1):
        seeds = [(config.seed + len(outcomes) + index) % 2**32 for index in range(config.restarts)]
        starts = run(seeds, restarts_left > 0)
        best = min(starts, key=lambda start: start.error)
        learned = best.error < NO_BETTER * mean_predictor
        for start in starts:
            kept = start is best and (learned or not restarts_left)
            outcomes.append((start, _outcome(start, kept, mean_predictor)))
        if learned:
            break
    return best, outcomes


def _outcome(start: Start, kept: bool, mean_predictor: float) -> str:
    if kept:
        return "kept"
    if start.stopped_early:
        return f"dead after epoch {len(start.losses)}"
    if start.error >= NO_BETTER * mean_predictor:
        return "no better than the mean predictor"
    return "not the best"


def exact_starts(
    build: Callable[[int], keras.Model],
    rows: Rows,
    error: Callable[[keras.Model], float],
    mean_predictor: float,
    config: TrainConfig,
    exact: LevenbergMarquardt,
    on_step: OnStep,
) -> Run:
    """Levenberg–Marquardt. Several seeds compete on the first rows; the best goes on to all.

    Args:
        build: Makes a network from its seed.
        error: What a trained network competes by.
    """
    shape = build(config.seed)
    everything = LeastSquares(shape, rows, exact.block_rows)
    sample = InMemory(next(iter(rows.blocks(exact.screening_rows))))
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
        return start._replace(losses=solution.losses, error=error(network))

    def run(seeds: list[int], hopeful: bool) -> list[Start]:
        starts: list[Start] = []
        for done, seed in enumerate(seeds):
            start = Start(seed, build(seed), [], np.inf)
            if len(seeds) > 1:
                start = solve(screening, start, done, ROUGH)
            starts.append(start)
            if start.error < AS_GOOD_AS_EXACT * mean_predictor:
                break  # a perfect one; nothing is left to be won
        best = min(range(len(starts)), key=lambda index: starts[index].error)
        starts[best] = solve(everything, starts[best], rounds - 1, EXACT)
        return starts

    return run
