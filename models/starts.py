"""Trained starts, and which of them is kept."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras

from models.config import TrainConfig

NO_BETTER = 0.99
"""A start whose error is above this part of the mean predictor's has learned nothing."""


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
    seconds: float = 0.0
    """What its training took, wherever that was."""


Run = Callable[[list[list[int]], bool], list[list[Start]]]
"""Trains from these seeds, a list for each repeat; the flag says if there may be more to come."""

Join = Callable[[list[Start]], Start]
"""Makes one network of several, their mean, and measures its error."""


class Outcome(NamedTuple):
    """A start, and what came of it in its repeat, counted from 1."""

    start: Start
    repeat: int
    outcome: str


def choose(
    run: Run, config: TrainConfig, mean_predictor: float, join: Join
) -> tuple[list[Start], list[Outcome]]:
    """Trains `config.repeats` times, each with starts of its own; what each keeps, and outcomes.

    A repeat keeps the best of `config.restarts` starts, or the mean of `config.ensemble`. If what
    it keeps is not better than the mean predictor, its starts are made again from the next seeds,
    at most `config.max_restarts` times; then it keeps what came of the last ones all the same.
    """
    kept: dict[int, Start] = {}
    outcomes: list[Outcome] = []
    for number in range(config.max_restarts + 1):
        restarts_left = config.max_restarts - number
        groups = groups_of(config, number)
        for repeat, starts in enumerate(run(groups, restarts_left > 0), start=1):
            if repeat in kept:
                continue
            joined = config.ensemble > 1
            best = join(starts) if joined else min(starts, key=lambda start: start.error)
            learned = best.error < NO_BETTER * mean_predictor
            if learned or not restarts_left:
                kept[repeat] = best
            for start in starts:
                keep = repeat in kept and (joined or start is best)
                outcome = _outcome(start, keep, joined, mean_predictor)
                outcomes.append(Outcome(start, repeat, outcome))
        if len(kept) == config.repeats:
            break
    return [kept[repeat] for repeat in sorted(kept)], outcomes


def groups_of(config: TrainConfig, number: int) -> list[list[int]]:
    """The seeds of all repeats, also of those that are content: the width is compiled.

    Args:
        number: How often starts were made before.
    """
    size = max(config.restarts, config.ensemble)
    first = config.seed + number * config.repeats * size
    seeds = [(first + index) % 2**32 for index in range(config.repeats * size)]
    return [seeds[place : place + size] for place in range(0, len(seeds), size)]


def _outcome(start: Start, kept: bool, joined: bool, mean_predictor: float) -> str:
    if kept:
        return "one of the ensemble" if joined else "kept"
    if start.stopped_early:
        return f"dead after epoch {len(start.losses)}"
    if start.error >= NO_BETTER * mean_predictor:
        return "no better than the mean predictor"
    return "not the best"
