"""Starts by Levenberg–Marquardt: they compete on few rows first."""

from collections.abc import Callable

import keras
import numpy as np

from models.config import LevenbergMarquardt, TrainConfig
from models.courses import Born, OnStep, Step
from models.least_squares import EXACT, ROUGH, LeastSquares
from models.rows import InMemory, Rows
from models.starts import Run, Start

AS_GOOD_AS_EXACT = 1e-12
"""A start whose error is below this part of the mean predictor's needs no competition."""


def exact_starts(
    build: Callable[[int], keras.Model],
    rows: Rows,
    error: Callable[[keras.Model], float],
    mean_predictor: float,
    config: TrainConfig,
    exact: LevenbergMarquardt,
    on_step: OnStep,
) -> Run:
    """Levenberg–Marquardt: a repeat's seeds compete on the first rows; the best goes on to all.

    Args:
        build: Makes a network from its seed.
        error: What a trained network competes by.
    """
    shape = build(config.seed)
    everything = LeastSquares(shape, rows, exact.block_rows)
    sample = InMemory(next(iter(rows.blocks(exact.screening_rows))))
    screening = LeastSquares(shape, sample, exact.block_rows)
    rounds = config.restarts + 1 if config.restarts > 1 else 1

    def solve(
        problem: LeastSquares, repeat: int, start: Start, done: int, tolerance: float
    ) -> Start:
        born = (Born(repeat, start.seed),)

        def on_evaluation(number: int, loss: float) -> None:
            evaluations = exact.max_evaluations
            steps = config.repeats * rounds * evaluations
            on_step(Step(done * evaluations + number, steps, born, np.array([loss])))

        network = start.network
        solution = problem.solve(
            network.get_weights(), exact.max_evaluations, tolerance, on_evaluation
        )
        network.set_weights(solution.weights)
        return start._replace(losses=solution.losses, error=error(network))

    def train(seeds: list[int], repeat: int) -> list[Start]:
        starts: list[Start] = []
        done = (repeat - 1) * rounds
        for index, seed in enumerate(seeds):
            start = Start(seed, build(seed), [], np.inf)
            if len(seeds) > 1:
                start = solve(screening, repeat, start, done + index, ROUGH)
            starts.append(start)
            if start.error < AS_GOOD_AS_EXACT * mean_predictor:
                break  # a perfect one; nothing is left to be won
        best = min(range(len(starts)), key=lambda index: starts[index].error)
        starts[best] = solve(everything, repeat, starts[best], done + rounds - 1, EXACT)
        return starts

    def run(groups: list[list[int]], hopeful: bool) -> list[list[Start]]:
        return [train(seeds, repeat) for repeat, seeds in enumerate(groups, start=1)]

    return run
