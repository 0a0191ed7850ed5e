"""Starts by Levenberg–Marquardt: they compete on few rows first."""

from collections.abc import Callable, Sequence
from contextlib import closing

import keras
import numpy as np

from models.config import LevenbergMarquardt, ModelName, TrainConfig
from models.courses import Born, OnStep, Step
from models.least_squares import EXACT, ROUGH, LeastSquares
from models.parts import Build, Part, Results, Share, Trainer
from models.rows import InMemory, Rows
from models.starts import Run, Start, groups_of

AS_GOOD_AS_EXACT = 1e-12
"""A start whose error is below this part of the mean predictor's needs no competition."""

COMPETING_TOGETHER = 5
"""Starts of a part. It must not depend on who trains them: a perfect one ends its part."""


def exact_starts(
    name: ModelName,
    build: Build,
    rows: Rows,
    error: Callable[[keras.Model], float],
    mean_predictor: float,
    config: TrainConfig,
    exact: LevenbergMarquardt,
) -> Trainer:
    """Levenberg–Marquardt: a repeat's seeds compete on the first rows; the best goes on to all.

    Args:
        build: Makes a network from its seed.
        error: What a trained network competes by.
    """
    shape = build(config.seed)
    sample = InMemory(rows.sample(exact.screening_rows))
    problems = {
        "rows": (LeastSquares(shape, rows, exact.block_rows), EXACT),
        "sample": (LeastSquares(shape, sample, exact.block_rows), ROUGH),
    }
    competing = config.restarts if config.restarts > 1 else 0
    steps = config.repeats * (competing + 1) * exact.max_evaluations

    def train(part: Part, on_step: OnStep) -> list[Start]:
        problem, tolerance = problems[part.on]
        starts: list[Start] = []
        for place, born in enumerate(part.starts, start=part.before):
            on_evaluation = _reporting(on_step, (born,), place * exact.max_evaluations, steps)
            network = build(born.seed)
            weights = network.get_weights() if part.weights is None else part.weights
            solution = problem.solve(weights, exact.max_evaluations, tolerance, on_evaluation)
            network.set_weights(solution.weights)
            starts.append(Start(born.seed, network, solution.losses, error(network)))
            if is_perfect(starts[-1]):
                break
        return starts

    def is_perfect(start: Start) -> bool:
        """Whether nothing is left to be won."""
        return start.error < AS_GOOD_AS_EXACT * mean_predictor

    def screening(repeat: int, seeds: Sequence[int]) -> list[Part]:
        before = (repeat - 1) * competing
        return [
            Part(
                name,
                tuple(Born(repeat, seed) for seed in seeds[first : first + COMPETING_TOGETHER]),
                "sample",
                before=before + first,
            )
            for first in range(0, len(seeds), COMPETING_TOGETHER)
        ]

    def on_all_rows(repeat: int, start: Start | int) -> Part:
        """Of the best of those that have competed, or of the only seed."""
        before = config.repeats * competing + repeat - 1
        if isinstance(start, int):
            return Part(name, (Born(repeat, start),), before=before)
        weights = start.network.get_weights()
        return Part(name, (Born(repeat, start.seed),), weights=weights, before=before)

    def compete(results: Results) -> list[Start]:
        """All that were trained until there was a perfect one."""
        starts: list[Start] = []
        with closing(results):
            for some in results:
                starts += some
                if is_perfect(starts[-1]):
                    break
        return starts

    def first(groups: list[list[int]]) -> list[list[Part]]:
        """Of each repeat."""
        return [
            screening(repeat, seeds) if competing else [on_all_rows(repeat, seeds[0])]
            for repeat, seeds in enumerate(groups, start=1)
        ]

    def run(share: Share) -> Run:
        def of(groups: list[list[int]], hopeful: bool) -> list[list[Start]]:
            found = [compete(results) for results in [share(parts) for parts in first(groups)]]
            if not competing:
                return found
            best = [min(starts, key=lambda start: start.error) for starts in found]
            parts = [on_all_rows(repeat, start) for repeat, start in enumerate(best, start=1)]
            for starts, screened, (solved,) in zip(found, best, share(parts), strict=True):
                place = next(index for index, start in enumerate(starts) if start is screened)
                starts[place] = solved._replace(seconds=screened.seconds + solved.seconds)
            return found

        return of

    parts = [part for parts in first(groups_of(config, 0)) for part in parts]
    on_all, _ = problems["rows"]
    return Trainer(parts, train, run, on_all if len(on_all.apart) > 1 else None)


def _reporting(
    on_step: OnStep, born: tuple[Born], before: int, steps: int
) -> Callable[[int, float], None]:
    def on_evaluation(number: int, loss: float) -> None:
        on_step(Step(before + number, steps, born, np.array([loss])))

    return on_evaluation
