from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from models.courses import Born, Step
from service.jobs import recorder
from service.jobs.curves import Losses
from service.jobs.recorder import FEWEST_POINTS, MOST_POINTS, Recorder
from service.schemas import Attempt, Progress


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Progress | Losses]:
    """All that is reported, at each step."""
    monkeypatch.setattr(recorder, "PROGRESS_SECONDS", -1)
    monkeypatch.setattr(recorder, "LOSSES_SECONDS", -1)
    return []


def of(starts: Iterable[Born], losses: Any, number: int = 1, learning: Any = None) -> Step:
    given = None if learning is None else np.array(learning)
    return Step(number, 10, tuple(starts), np.array(losses), None, given)


def test_losses_and_progress_are_told_as_they_come(told: list[Progress | Losses]) -> None:
    record = Recorder("mean squared error", told.append)
    take = record.of("dense")
    starts = (Born(1, 7), Born(2, 8))
    take(of(starts, [2.0, 1.0], 1))
    take(of(starts, [0.123456789, np.nan], 2, [True, False]))
    first, _, second, losses = told
    assert isinstance(first, Progress)
    assert (first.model, first.epoch, first.epochs, first.loss) == ("dense", 1, 10, 1.0)
    assert isinstance(second, Progress)
    assert second.loss == pytest.approx(0.123456789)
    assert isinstance(losses, Losses)
    one, other = losses.courses
    assert (one.repeat, one.start, one.seed, one.outcome) == (1, 1, 7, None)
    assert (one.epochs, one.width, one.least, one.greatest) == (2, 1, [2.0, 0.12346], [])
    assert (other.repeat, other.start, other.outcome) == (2, 1, "dead")
    assert other.least == [1.0, None]


def test_where_no_loss_is_finite_there_is_no_progress_but_a_gap(
    told: list[Progress | Losses],
) -> None:
    record = Recorder("mean squared error", told.append)
    record.of("dense")(of([Born(1, 7)], [np.inf]))
    (losses,) = told
    assert isinstance(losses, Losses)
    assert losses.courses[0].least == [None]


def test_the_end_tells_outcomes_and_leaves_out_who_was_trained_for_company(
    told: list[Progress | Losses],
) -> None:
    record = Recorder("cross-entropy", told.append)
    take = record.of("dense")
    take(of([Born(1, 7), Born(2, 8)], [2.0, 1.0]))
    take(of([Born(1, 9), Born(2, 10)], [2.0, 1.0]))  # the second round, for repeat 2 alone
    outcomes = {Born(1, 7): "kept", Born(2, 8): "dead after epoch 1", Born(2, 10): "kept"}
    record.end(
        "dense",
        [Attempt(repeat=of.repeat, seed=of.seed, outcome=why) for of, why in outcomes.items()],
    )
    record.of("cross")(of([Born(1, 7)], [3.0]))
    losses = told[-1]
    assert isinstance(losses, Losses)
    found = [(each.network, each.repeat, each.start, each.outcome) for each in losses.courses]
    assert found == [
        ("dense", 1, 1, "kept"),
        ("dense", 2, 1, "dead after epoch 1"),
        ("dense", 2, 2, "kept"),
        ("cross", 1, 1, None),
    ]


def test_however_many_starts_there_are_what_is_told_stays_small(
    told: list[Progress | Losses],
) -> None:
    record = Recorder("mean squared error", told.append)
    take = record.of("dense")
    starts = [Born(1, seed) for seed in range(1000)]
    for number in range(1, 101):
        take(of(starts, np.random.default_rng(number).random(1000), number))
    attempts = [
        Attempt(seed=start.seed, outcome="kept" if start.seed == 999 else "not the best")
        for start in starts
    ]
    record.end("dense", attempts)
    record.tell()
    losses = told[-1]
    assert isinstance(losses, Losses)
    assert len(losses.courses) == MOST_POINTS // FEWEST_POINTS
    assert sum(len(each.least) for each in losses.courses) <= MOST_POINTS
    assert losses.courses[-1].seed == 999  # it was kept
    assert losses.courses[0].seed == 0
    assert len(losses.model_dump_json()) < 200_000


def test_what_was_trained_elsewhere_is_told_in_the_order_of_its_starts(
    told: list[Progress | Losses],
) -> None:
    record = Recorder("mean squared error", told.append)
    record.of("dense")(of([Born(1, 8)], [2.0]))
    record.of("cross")(of([Born(1, 7)], [5.0]))
    record.add("dense", [of([Born(1, 7)], [4.0]), of([Born(1, 7)], [3.0], 2)])
    record.end("dense", [Attempt(seed=seed, outcome="kept") for seed in (7, 8)])
    record.tell()
    losses = told[-1]
    assert isinstance(losses, Losses)
    found = [(each.network, each.start, each.seed, each.least) for each in losses.courses]
    assert found == [
        ("dense", 1, 7, [4.0, 3.0]),
        ("dense", 2, 8, [2.0]),
        ("cross", 1, 7, [5.0]),
    ]
