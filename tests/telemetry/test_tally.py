"""Counters and histograms, and what they add up to."""

import pytest
from prometheus_client import generate_latest
from prometheus_client.registry import Collector

from service.telemetry.tally import JOB_DURATION, KINDS, LATENCY, REQUESTS, Tally, metrics, total
from tests.telemetry.texts import Series, samples, series

PREDICT = (LATENCY, "/predict", "POST")


def written(tally: Tally) -> dict[Series, float]:
    class Found(Collector):
        def collect(self):  # type: ignore[no-untyped-def]
            return metrics(tally)

    return samples(generate_latest(Found()).decode())


def bucket(bound: str) -> Series:
    return series(f"{LATENCY}_bucket", route="/predict", method="POST", le=bound)


def test_counters_of_several_processes_are_added_up() -> None:
    tallies = [Tally() for _ in range(3)]
    for number, tally in enumerate(tallies, start=1):
        tally.add((REQUESTS, "/predict", "POST", "200"), number)
    tallies[0].add((REQUESTS, "/livez", "GET", "200"))
    found = written(total(tallies))
    of = f"{REQUESTS}_total"
    assert found[series(of, route="/predict", method="POST", status="200")] == 6
    assert found[series(of, route="/livez", method="GET", status="200")] == 1
    assert tallies[0].counts[REQUESTS, "/predict", "POST", "200"] == 1


def test_a_histogram_resolves_a_tenth_of_a_millisecond() -> None:
    tally = Tally()
    tally.observe(PREDICT, [0.00005, 0.0001, 0.0002, 0.0004])
    tally.observe(PREDICT, [100.0])
    found = written(tally)
    assert [found[bucket(bound)] for bound in ("0.0001", "0.00025", "0.0005", "30.0", "+Inf")] == [
        *(2, 3, 4, 4, 5)
    ]
    of_route = {"route": "/predict", "method": "POST"}
    assert found[series(f"{LATENCY}_count", **of_route)] == 5
    assert found[series(f"{LATENCY}_sum", **of_route)] == pytest.approx(100.00075)


def test_histograms_of_several_processes_are_added_up() -> None:
    tallies = [Tally(), Tally(), Tally()]
    tallies[0].observe(PREDICT, [0.0002])
    tallies[1].observe(PREDICT, [0.5])
    tallies[1].observe((JOB_DURATION, "failed"), [7.0])
    found = written(total(tallies))
    assert found[bucket("0.00025")] == 1
    assert found[bucket("+Inf")] == 2
    assert found[series(f"{JOB_DURATION}_bucket", status="failed", le="10.0")] == 1
    assert tallies[0].histograms[PREDICT][-1] == 0.0002


def test_every_name_has_a_unit_or_is_a_number_of_things() -> None:
    for name, kind in KINDS.items():
        assert name.startswith("crosscheck_")
        assert name.endswith("_seconds") == bool(kind.buckets)
        assert list(kind.buckets) == sorted(set(kind.buckets))
