"""What an API process counts of its requests."""

import os
import time
from collections.abc import Iterator

import pytest
from starlette.types import Scope

from service.access_log import AccessLog, Answerer
from service.telemetry import counting as module
from service.telemetry import slots
from service.telemetry.counting import KEPT_VERSIONS, Counting, runs
from service.telemetry.routes import OTHER
from service.telemetry.slots import Given
from service.telemetry.tally import LATENCY, REFUSALS, REQUESTS, ROWS, total


def open_streams() -> int:
    return 3


def counting(given: Given | None = None, most_datasets: int = 100) -> Counting:
    return Counting(given, str, open_streams, most_datasets)


@pytest.fixture
def two() -> Iterator[tuple[Given, Given]]:
    both = slots.make(), slots.make()
    yield Given(both[0], both), Given(both[1], both)
    for descriptor in both:
        os.close(descriptor)


def note(
    counts: Counting,
    path: str = "/predict",
    method: str = "POST",
    status: int = 200,
    reason: str | None = None,
    answerer: Answerer | None = None,
    rows: int = 0,
    log: bool = False,
) -> None:
    scope: Scope = {"client": None, "method": method, "path": path}
    if reason:
        scope["reason"] = reason
    access_log = AccessLog(log, counts.noted)
    access_log.note(scope, b"id", status, time.perf_counter(), answerer, rows)


@pytest.mark.parametrize("log", [True, False])
def test_requests_are_counted_whether_or_not_they_are_logged(log: bool) -> None:
    counts = counting()
    for status in (200, 200, 415):
        note(counts, status=status, log=log)
    counts.count()
    counts.count()  # each once
    tally = counts.told.tally
    assert tally.counts[REQUESTS, "/predict", "POST", "200"] == 2
    assert tally.counts[REQUESTS, "/predict", "POST", "415"] == 1
    assert sum(tally.histograms[LATENCY, "/predict", "POST"][:-1]) == 3


def test_a_method_that_nobody_knows_has_no_series_of_its_own() -> None:
    counts = counting()
    for method in ("PROPFIND", "M-SEARCH", ""):
        note(counts, method=method, status=405)
    counts.count()
    assert counts.told.tally.counts[REQUESTS, "/predict", OTHER, "405"] == 3


def test_refusals_are_counted_by_reason() -> None:
    counts = counting()
    note(counts, status=503, reason="large_requests")
    note(counts, status=400, reason="invalid")
    note(counts, status=404)
    note(counts, path="/readyz", status=503)  # refuses nothing
    counts.count()
    found = counts.told.tally.counts
    refused = {key[1] for key, number in found.items() if key[0] == REFUSALS and number}
    assert refused == {"large_requests", "invalid", "not_found"}


def test_what_alerts_are_for_is_there_before_it_happens() -> None:
    counts = counting().told.tally.counts
    assert counts[REFUSALS, "fault"] == 0
    assert counts["crosscheck_jobs_ended", "failed"] == 0


def test_rows_are_counted_by_the_version_that_predicted_them() -> None:
    counts = counting()
    note(counts, answerer=("houses", "dense", "1"), rows=10)
    note(counts, answerer=("houses", "dense", "1"), rows=5)
    note(counts, answerer=("houses", "cross", "2"), rows=1)
    counts.count()
    assert counts.told.tally.counts[ROWS, "houses", "dense", "1"] == 15
    assert counts.told.tally.counts[ROWS, "houses", "cross", "2"] == 1


def rows_of(counts: Counting) -> dict[tuple[str, ...], float]:
    return {key[1:]: number for key, number in counts.told.tally.counts.items() if key[0] == ROWS}


def test_of_many_datasets_no_more_than_some_are_counted_apart() -> None:
    counts = counting(most_datasets=3)
    for number in (*range(1000), *range(1000)):
        note(counts, answerer=(f"d{number}", "dense", "1"), rows=1)
    counts.count()
    found = rows_of(counts)
    assert found == {
        **{(f"d{number}", "dense", "1"): 2 for number in range(3)},
        (OTHER, OTHER, OTHER): 1994,
    }


def test_of_many_versions_the_newest_are_counted_apart() -> None:
    counts = counting()
    for version in range(1, 100):
        note(counts, answerer=("houses", "dense", str(version)), rows=version)
    note(counts, answerer=("houses", "cross", "1"), rows=1)
    counts.count()
    found = rows_of(counts)
    assert len(found) == KEPT_VERSIONS + 1
    assert found["houses", "dense", "99"] == 99


def test_the_process_that_takes_a_place_goes_on_counting(two: tuple[Given, Given]) -> None:
    mine, other = two
    before = counting(mine, most_datasets=1)
    note(before, answerer=("houses", "dense", "1"), rows=2)
    before.all()
    after = counting(mine, most_datasets=1)
    note(after, answerer=("houses", "dense", "1"), rows=3)
    note(after, answerer=("flats", "dense", "1"), rows=1)
    after.all()
    (found, _) = counting(other).all()[::-1]
    assert found.since == before.told.since
    assert found.tally.counts[ROWS, "houses", "dense", "1"] == 5
    assert found.tally.counts[ROWS, OTHER, OTHER, OTHER] == 1
    assert found.tally.counts[REQUESTS, "/predict", "POST", "200"] == 3
    assert sum(found.tally.histograms[LATENCY, "/predict", "POST"][:-1]) == 3


def test_what_one_process_shows_the_others_show_when_it_is_gone(two: tuple[Given, Given]) -> None:
    first, second = map(counting, two)
    for _ in range(7):
        note(first)
    shown = total(each.tally for each in first.all())
    del first
    assert total(each.tally for each in second.all()).counts.items() >= shown.counts.items()


def test_a_process_that_is_silent_does_not_run(
    two: tuple[Given, Given], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = map(counting, two)
    first.all()
    assert [runs(each) for each in second.all()] == [True, True]
    assert [each.event_streams for each in second.all()] == [3, 3]
    monkeypatch.setattr(module, "SILENT_SECONDS", 0.0)
    assert not runs(second.all()[1])


def test_only_the_first_of_several_counts_jobs(two: tuple[Given, Given]) -> None:
    assert [counting(given).is_first for given in two] == [True, False]
    assert counting().is_first
