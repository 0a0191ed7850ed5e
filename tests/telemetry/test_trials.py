"""What is counted while a version is tried."""

import pytest

from service.predict.canary import TrialAnswer
from service.telemetry import trials
from service.telemetry.tally import Tally, total


def answer(version: str, values: list[float], epoch: int = 3, dataset: str = "a") -> TrialAnswer:
    squares = sum(value * value for value in values)
    return TrialAnswer((dataset, "cross", version), epoch, len(values), sum(values), squares)


def counted(*answers: TrialAnswer, most: int = 100) -> Tally:
    tally = Tally(counts={}, histograms={})
    trials.count(tally, answers, most)
    return tally


def test_each_version_has_its_requests_rows_and_moments() -> None:
    tally = counted(answer("7", [1, 3]), answer("10", [5]), answer("7", [5]))
    seven, ten = trials.rows(tally, "a", "cross", 3)
    assert (seven.version, seven.requests, seven.rows, seven.mean) == (7, 2, 3, 3)
    assert seven.standard_deviation == pytest.approx((8 / 3) ** 0.5)
    assert (ten.version, ten.standard_deviation) == (10, 0)


def test_a_new_trial_begins_anew() -> None:
    tally = counted(answer("7", [1]), answer("7", [2], epoch=4))
    assert trials.rows(tally, "a", "cross", 3) == []
    assert trials.rows(tally, "a", "cross", 4)[0].mean == 2


def test_processes_add_up() -> None:
    both = total([counted(answer("7", [1])), counted(answer("7", [3]))])
    assert trials.rows(both, "a", "cross", 3)[0].mean == 2


def test_networks_are_bounded() -> None:
    tally = counted(answer("1", [1]), answer("1", [1], dataset="b"), most=1)
    assert trials.rows(tally, "a", "cross", 3)
    assert not trials.rows(tally, "b", "cross", 3)


def test_what_is_not_finite_is_not_told() -> None:
    (row,) = trials.rows(counted(answer("7", [1e300])), "a", "cross", 3)
    assert (row.mean, row.standard_deviation) == (1e300, None)


def test_a_scraper_is_told_of_the_newest_trial() -> None:
    requests, mean, _ = trials.metrics(counted(answer("7", [2, 4])))
    labels = {"dataset": "a", "network": "cross", "version": "7"}
    assert [(sample.labels, sample.value) for sample in requests.samples] == [(labels, 1)]
    assert [(sample.labels, sample.value) for sample in mean.samples] == [(labels, 3)]
