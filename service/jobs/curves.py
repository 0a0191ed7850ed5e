"""The losses of a job: as they are kept with it, and as they are told."""

from typing import Literal, NamedTuple

from pydantic import Field

from models.config import ModelName
from service.schemas import Schema

KEY = "curves"
"""Of the DBOS event that holds them: DBOS forgets it with the job."""

Unit = Literal["mean squared error", "cross-entropy"]
Split = Literal["train", "validation"]


class Course(Schema):
    """The losses of one start on one split, as they are kept."""

    network: ModelName
    repeat: int
    start: int
    seed: int
    split: Split
    outcome: str | None
    epochs: int
    width: int
    """Epochs in a bucket; the last one may have fewer."""
    least: list[float | None]
    greatest: list[float | None]
    """Empty where they are the least ones."""


class Losses(Schema):
    """All that is kept of a job's losses."""

    unit: Unit
    courses: list[Course]


class Point(NamedTuple):
    """The losses of a few epochs."""

    first_epoch: int
    last_epoch: int
    least: float | None
    greatest: float | None


class Curve(Schema):
    """The losses of one start of a network, thinned: of some epochs the least and the greatest."""

    network: ModelName
    repeat: int = Field(description="Of the network's independent trainings, from 1.")
    start: int = Field(description="Within that, from 1.")
    seed: int = Field(description="Of its initial weights.")
    split: Split
    outcome: str | None = Field(
        description="What came of the start, as in a version's attempts; null as long as the "
        "network is trained, but `dead` where no gradient comes through any more."
    )
    points: list[Point] = Field(
        description="First and last epoch, from 1, then the least finite loss and the greatest; "
        "null where none, or where one, is not finite. With Levenberg–Marquardt, epochs are "
        "evaluations."
    )


class Curves(Schema):
    """The losses of a job, while it runs and afterwards."""

    job_id: str
    unit: Unit | None = Field(description="Of a table's target, scaled. Null before the first.")
    curves: list[Curve]


def curves_of(job_id: str, kept: Losses | None) -> Curves:
    """What is told of what is kept."""
    if kept is None:
        return Curves(job_id=job_id, unit=None, curves=[])
    return Curves(job_id=job_id, unit=kept.unit, curves=[_curve(each) for each in kept.courses])


def _curve(course: Course) -> Curve:
    about = course.model_dump(include=Curve.model_fields.keys() - {"points"})
    pairs = zip(course.least, course.greatest or course.least, strict=True)
    points = [
        Point(index * course.width + 1, min(course.epochs, (index + 1) * course.width), low, high)
        for index, (low, high) in enumerate(pairs)
    ]
    return Curve(**about, points=points)
