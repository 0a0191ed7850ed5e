"""Records the losses of a job's networks while they train, and tells of them now and then."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.config import ModelName
from models.courses import POINTS, Born, Courses, Step, Thinned
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


class Recorder:
    """Takes each step of the training of a job's networks; reports progress and losses.

    A step costs next to nothing: what is to be made of it is made of many at once.
    """

    def __init__(self, unit: Unit, report: Report) -> None:
        self.unit = unit
        self.report = report
        self._ended: list[_Told] = []
        self._progress_at = self._losses_at = 0.0

    def begin(self, network: ModelName) -> None:
        """The steps of this network come next."""
        self._network = network
        self._pending: list[Step] = []
        self._courses: dict[tuple[Born, ...], Courses] = {}

    def __call__(self, step: Step) -> None:
        """Takes a step."""
        self._pending.append(step)
        now = time.monotonic()
        if now - self._progress_at > PROGRESS_SECONDS or step.number == step.of:
            self._progress_at = now
            self._report_progress(step)
            self._take_in()
            if now - self._losses_at > LOSSES_SECONDS:
                self.tell()

    def end(self, attempts: Iterable[Attempt]) -> None:
        """The network is trained: these are its starts, and what came of each."""
        outcomes = {Born(each.repeat, each.seed): each.outcome for each in attempts}
        self._ended += self._told(outcomes)
        self._courses = {}

    def tell(self) -> None:
        """Reports the losses up to now."""
        self._losses_at = time.monotonic()
        told = _fitting([*self._ended, *self._told()])
        points = max(FEWEST_POINTS, min(POINTS, MOST_POINTS // max(1, len(told))))
        self.report(Losses(unit=self.unit, courses=[_kept(each, points) for each in told]))

    def _report_progress(self, step: Step) -> None:
        finite = step.losses[np.isfinite(step.losses)]
        if len(finite):
            self.report(
                Progress(
                    model=self._network,
                    epoch=step.number,
                    epochs=step.of,
                    loss=float(finite.min()),
                )
            )

    def _take_in(self) -> None:
        pending, self._pending = self._pending, []
        for _, group in groupby(pending, key=lambda step: id(step.starts)):
            steps = list(group)
            if courses := self._courses.get(steps[0].starts):
                courses.add(steps)
            else:
                self._courses[steps[0].starts] = Courses(steps)

    def _told(self, outcomes: dict[Born, str] | None = None) -> list[_Told]:
        """The courses of the network that is trained now; without outcomes, as far as they are.

        With outcomes, those are left out that have none: their repeats had what they needed.
        """
        self._take_in()
        numbers: Counter[tuple[int, str]] = Counter()
        told = []
        for course in (each for courses in self._courses.values() for each in courses.thinned()):
            if outcomes is None:
                outcome = None if course.learning else "dead"
            elif (outcome := outcomes.get(course.start)) is None:
                continue
            numbers[course.start.repeat, course.split] += 1
            number = numbers[course.start.repeat, course.split]
            told.append(_Told(self._network, number, outcome, course))
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
