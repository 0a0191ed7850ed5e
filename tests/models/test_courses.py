from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.config import SyntheticDataset, TrainConfig
from models.courses import POINTS, Born, Courses, Step
from models.data import load
from models.stopping import DIVERGED
from models.training import Attempt, Trained, train

STARTS = (Born(1, 7), Born(1, 8))


def steps(losses: NDArray[np.float64], ended: int | None = None) -> Iterator[Step]:
    """Of two starts, the second of which ends after so many epochs; as of a table, if it does."""
    for number, of_epoch in enumerate(losses):
        if ended is None:
            yield Step(number + 1, len(losses), STARTS, of_epoch)
        else:
            running = np.array([True, number < ended])
            yield Step(number + 1, len(losses), STARTS, of_epoch, of_epoch * 2, None, running)


def told(losses: NDArray[np.float64], parts: int = 1, ended: int | None = None) -> Courses:
    first, *more = np.array_split(np.arange(len(losses)), parts)
    all_steps = list(steps(losses, ended))
    courses = Courses([all_steps[index] for index in first])
    for part in more:
        courses.add([all_steps[index] for index in part])
    return courses


@pytest.mark.parametrize(("epochs", "width"), [(1, 1), (199, 1), (200, 2), (399, 2), (400, 4)])
@pytest.mark.parametrize("parts", [1, 7, 150])
def test_each_bucket_has_the_least_and_the_greatest_loss_of_its_epochs(
    epochs: int, width: int, parts: int
) -> None:
    losses = np.random.default_rng(0).random((epochs, 2))
    for place, course in enumerate(told(losses, min(parts, epochs)).thinned()):
        assert (course.start, course.epochs, course.width) == (STARTS[place], epochs, width)
        buckets = np.split(losses[:, place], range(width, epochs, width))
        assert course.least.tolist() == [bucket.min() for bucket in buckets]
        assert course.greatest.tolist() == [bucket.max() for bucket in buckets]


def test_a_spike_survives_a_million_epochs_in_few_buckets() -> None:
    losses = np.ones((2**20, 2))
    losses[654_321, 1] = 9
    losses[123_456, 1] = 1e-30
    _, course = told(losses, 1000).thinned()
    assert len(course.least) <= POINTS
    assert np.argmax(course.greatest) == 654_321 // course.width
    assert np.argmin(course.least) == 123_456 // course.width
    thinner = course.at_most(10)
    assert len(thinner.least) <= 10
    assert thinner.greatest.max() == 9
    assert thinner.least.min() == 1e-30
    assert np.argmax(thinner.greatest) == 654_321 // thinner.width


@pytest.mark.parametrize("loss", [np.nan, np.inf, DIVERGED])
def test_a_bucket_with_a_loss_that_is_not_finite_has_no_greatest(loss: float) -> None:
    losses = np.ones((400, 2))
    losses[5, 0] = loss
    losses[:, 1] = loss
    first, second = told(losses).thinned()
    assert np.flatnonzero(np.isinf(first.greatest)).tolist() == [1]
    assert np.isfinite(first.least).all()
    assert np.isinf(second.least).all()


def test_what_comes_after_the_end_of_a_start_beside_others_does_not_count() -> None:
    losses = np.ones((450, 2))
    losses[101:, 1] = 9
    courses = told(losses, parts=3, ended=101).thinned()
    splits = [(course.start.seed, course.split, course.epochs) for course in courses]
    assert splits == [
        (7, "train", 450),
        (7, "validation", 450),
        (8, "train", 101),
        (8, "validation", 101),
    ]
    assert len(courses[2].least) == -(-101 // courses[2].width)
    assert courses[2].greatest.max() == 1
    assert courses[3].greatest.max() == 2


def attempts_of(trained: Trained[Attempt]) -> dict[Born, Attempt]:
    return {Born(each.repeat, each.seed): each for each in trained.attempts}


def trained_with(seen: list[Step], **recipe: Any) -> Trained[Attempt]:
    dataset = SyntheticDataset(size=100)
    config = TrainConfig.model_validate({"restarts": 2, "repeats": 2, "max_restarts": 0, **recipe})
    return train("dense", load(dataset).train, config, seen.append)


def test_every_start_of_every_repeat_reports_its_losses() -> None:
    seen: list[Step] = []
    attempts = attempts_of(trained_with(seen, epochs=4))
    assert [step.number for step in seen] == [1, 2, 3, 4]
    assert seen[0].starts == tuple(attempts)
    for start, loss in zip(seen[-1].starts, seen[-1].losses, strict=True):
        assert attempts[start].train_rmse == pytest.approx(np.sqrt(loss))


def test_evaluations_are_reported_start_by_start() -> None:
    seen: list[Step] = []
    trained = trained_with(
        seen,
        optimizer={"name": "levenberg_marquardt", "max_evaluations": 9},
        dense={"hidden_units": [2]},
    )
    attempts = attempts_of(trained)
    assert {step.starts for step in seen} == {(start,) for start in attempts}
    kept = next(start for start, each in attempts.items() if each.outcome == "kept")
    losses = [float(step.losses[0]) for step in seen if step.starts == (kept,)]
    assert np.sqrt(min(losses)) == pytest.approx(attempts[kept].train_rmse)
