"""Records the losses of a job's networks while they train, and tells of them now and then."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.config import ModelName
from models.courses import POINTS, Born, Courses, OnStep, Step, Thinned
from service.jobs.curves import Course, Losses, Unit
from service.schemas import Attempt, Progress

PROGRESS_SECONDS = 0.2
"""The least time between two reports of progress."""

LOSSES_SECONDS = 1.0
"""The least time between two reports of losses."""

MOST_POINTS = 4000
"""Of all courses of a job together: the more there are, the fewer has each, …"""

FEWEST_POINTS = 10
"""… but not fewer than these. Are there still too many courses, the last ones are left out, and
rather those of starts that were not kept."""

DIGITS = 5
"""Significant ones, of a loss."""

Report = Callable[[Progress | Losses], None]


class _Told(NamedTuple):
    network: ModelName
    start: int
    outcome: str | None
    course: Thinned


class _Network:
    """What is known of the starts of a network that is being trained."""

    def __init__(self) -> None:
        self.pending: list[Step] = []
        self._courses: dict[tuple[Born, ...], Courses] = {}

    def courses(self) -> Iterator[Thinned]:
        """The history of each start and side."""
        pending, self.pending = self.pending, []
        for _, group in groupby(pending, key=lambda step: id(step.starts)):
            steps = list(group)
            if courses := self._courses.get(steps[0].starts):
                courses.add(steps)
            else:
                self._courses[steps[0].starts] = Courses(steps)
        for courses in self._courses.values():
            yield from courses.thinned()


class Recorder:
    """Takes each step of the training of a job's networks; reports progress and losses.

    A step costs next to nothing: what is to be made of it is made of many at once.
    """

    def __init__(self, unit: Unit, report: Report) -> None:
        self.unit = unit
        self.report = report
        self._ended: list[_Told] = []
        self._training: dict[ModelName, _Network] = {}
        self._progress_at = self._losses_at = 0.0

    def of(self, network: ModelName) -> OnStep:
        """What takes a step of this network."""
        return partial(self._take, network)

    def add(self, network: ModelName, steps: Iterable[Step]) -> None:
        """Takes steps that were made elsewhere."""
        self._of(network).pending += steps
        self.tell()

    def end(self, network: ModelName, attempts: Iterable[Attempt]) -> None:
        """The network is trained: these are its starts, and what came of each."""
        outcomes = {Born(each.repeat, each.seed): each.outcome for each in attempts}
        self._ended += self._told(network, outcomes)
        self._training.pop(network, None)

    def tell(self) -> None:
        """Reports the losses up to now."""
        self._losses_at = time.monotonic()
        told = _fitting(
            [*self._ended, *(each for network in self._training for each in self._told(network))]
        )
        points = max(FEWEST_POINTS, min(POINTS, MOST_POINTS // max(1, len(told))))
        self.report(Losses(unit=self.unit, courses=[_kept(each, points) for each in told]))

    def _of(self, network: ModelName) -> _Network:
        return self._training.setdefault(network, _Network())

    def _take(self, network: ModelName, step: Step) -> None:
        self._of(network).pending.append(step)
        now = time.monotonic()
        if now - self._progress_at > PROGRESS_SECONDS or step.number == step.of:
            self._progress_at = now
            self._report_progress(network, step)
            if now - self._losses_at > LOSSES_SECONDS:
                self.tell()

    def _report_progress(self, network: ModelName, step: Step) -> None:
        finite = step.losses[np.isfinite(step.losses)]
        if len(finite):
            self.report(
                Progress(
                    model=network,
                    epoch=step.number,
                    epochs=step.of,
                    loss=float(finite.min()),
                )
            )

    def _told(self, network: ModelName, outcomes: dict[Born, str] | None = None) -> list[_Told]:
        """The courses of a network; without outcomes, as far as they are.

        With outcomes, those are left out that have none: their repeats had what they needed.
        """
        courses = list(self._of(network).courses())
        if outcomes is not None:  # in whichever order they came
            places = {start: place for place, start in enumerate(outcomes)}
            courses = [course for course in courses if course.start in places]
            courses.sort(key=lambda course: places[course.start])
        numbers: Counter[tuple[int, str]] = Counter()
        told = []
        for course in courses:
            outcome = None if course.learning else "dead"
            outcome = outcome if outcomes is None else outcomes[course.start]
            numbers[course.start.repeat, course.split] += 1
            number = numbers[course.start.repeat, course.split]
            told.append(_Told(network, number, outcome, course))
        return told


def _fitting(told: list[_Told]) -> list[_Told]:
    most = MOST_POINTS // FEWEST_POINTS
    if len(told) <= most:
        return told
    kept = ("kept", "one of the ensemble", None)
    places = sorted(range(len(told)), key=lambda place: told[place].outcome not in kept)[:most]
    return [told[place] for place in sorted(places)]


def _kept(told: _Told, points: int) -> Course:
    course = told.course.at_most(points)
    least, greatest = _numbers(course.least), _numbers(course.greatest)
    return Course(
        network=told.network,
        repeat=course.start.repeat,
        start=told.start,
        seed=course.start.seed,
        split=course.split,
        outcome=told.outcome,
        epochs=course.epochs,
        width=course.width,
        least=least,
        greatest=[] if greatest == least else greatest,
    )


def _numbers(losses: NDArray[np.float64]) -> list[float | None]:
    return [
        float(f"{loss:.{DIGITS}g}") if math.isfinite(loss) else None for loss in losses.tolist()
    ]
