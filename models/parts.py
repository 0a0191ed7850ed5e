"""The parts of a network's training, which need nothing of each other, and who trains them."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import keras
import numpy as np
from numpy.typing import NDArray

from models.config import ModelName
from models.courses import Born, OnStep, Step
from models.least_squares import LeastSquares
from models.starts import Run, Start


class Part(NamedTuple):
    """Starts of one network that are trained by one process, whichever it is."""

    network: ModelName
    starts: tuple[Born, ...]
    on: Literal["rows", "sample"] = "rows"
    """On all rows side by side; or one after the other on a few, to compete there."""
    hopeful: bool = False
    """Whether there may be other starts if all of these are dead."""
    weights: list[NDArray[Any]] | None = None
    """Of the only start, to go on from; None: those of its seed."""
    before: int = 0
    """How many starts come before these, for the numbers of their steps."""

    @property
    def key(self) -> str:
        """What tells it from all other parts of a job."""
        first = self.starts[0]
        return f"{self.network}-{self.on}-{first.repeat}-{first.seed}"


Build = Callable[[int], keras.Model]
"""Makes a network from its seed."""

Train = Callable[[Part, OnStep], list[Start]]
"""Trains the starts of a part; where one is perfect, those behind it are left out."""

Results: TypeAlias = Generator[list[Start], None, None]

Share = Callable[[Sequence[Part]], Results]
"""Has parts trained, by anybody; gives what came of each, in their order. Closed before its end, it
leaves the rest."""


class Trainer(NamedTuple):
    """How the starts of one network are trained, part by part."""

    first: list[Part]
    """What can be trained at once."""
    train: Train
    run: Callable[[Share], Run]
    problem: LeastSquares | None = None
    """Of a part on all rows, where these are read by row groups: others may look at some of them,
    instead of training whole parts."""


def alone(train: Train, on_step: OnStep) -> Share:
    """Trains part after part, here, each when it is asked for."""

    def share(parts: Sequence[Part]) -> Results:
        return (timed(train, part, on_step) for part in parts)

    return share


def timed(train: Train, part: Part, on_step: OnStep) -> list[Start]:
    """Trains a part; its starts have taken equal shares of the time."""
    began = time.perf_counter()
    starts = train(part, on_step)
    seconds = (time.perf_counter() - began) / len(starts)
    return [start._replace(seconds=seconds) for start in starts]


def steps_of(part: Part, starts: Sequence[Start]) -> Iterator[Step]:
    """The steps of a part that was trained elsewhere, as far as its losses tell them."""
    if part.on == "sample":
        for born, start in zip(part.starts, starts, strict=False):  # a perfect one was the last
            yield from _side_by_side((born,), [start])
    else:
        yield from _side_by_side(part.starts, starts)


def _side_by_side(born: tuple[Born, ...], starts: Sequence[Start]) -> Iterator[Step]:
    lengths = np.array([len(start.losses) for start in starts])
    epochs = int(lengths.max())
    losses = _padded([start.losses for start in starts], epochs)
    validation = [start.validation_losses for start in starts]
    validated = _padded(validation, epochs) if any(validation) else None
    for number in range(epochs):
        yield Step(
            number + 1,
            epochs,
            born,
            losses[number],
            None if validated is None else validated[number],
            running=number < lengths,
        )


def _padded(courses: Sequence[Sequence[float]], epochs: int) -> NDArray[np.float64]:
    """`(epochs, starts)`."""
    padded = np.full((epochs, len(courses)), np.nan)
    for place, course in enumerate(courses):
        padded[: len(course), place] = course
    return padded
