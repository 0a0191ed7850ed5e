"""What is counted, process by process, and the counters and histograms that it adds up to."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple, TypeVar

import msgspec
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

T = TypeVar("T")

Key = tuple[str, ...]
"""The name of a metric, then the values of its labels."""

REQUESTS = "crosscheck_requests"
LATENCY = "crosscheck_request_duration_seconds"
ROWS = "crosscheck_predicted_rows"
REFUSALS = "crosscheck_refusals"
JOBS_ENDED = "crosscheck_jobs_ended"
JOB_ATTEMPTS = "crosscheck_job_attempts"
JOB_DURATION = "crosscheck_job_duration_seconds"


class Kind(NamedTuple):
    """What there is to say of a metric."""

    help: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()
    """Their upper bounds, in seconds; of a counter there are none."""


KINDS = {
    REQUESTS: Kind(
        "Requests that have ended; status 0 is a client that went away first.",
        ("route", "method", "status"),
    ),
    LATENCY: Kind(
        "From a request's arrival to the end of its answer.",
        ("route", "method"),
        # A single row takes 0.2 ms.
        (
            *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01),
            *(0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0),
        ),
    ),
    ROWS: Kind(
        "Rows that were predicted, by the version that did.", ("dataset", "network", "version")
    ),
    REFUSALS: Kind("Requests that were refused, and why.", ("reason",)),
    JOBS_ENDED: Kind("Training jobs that have ended since the start.", ("status",)),
    JOB_ATTEMPTS: Kind(
        "How often jobs that have ended were begun; more than once where a worker died.",
        ("status",),
    ),
    JOB_DURATION: Kind(
        "From a job's last beginning to its end.",
        ("status",),
        (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0),
    ),
}


class Tally(msgspec.Struct):
    """What one process has counted. It only grows."""

    counts: dict[Key, float] = {}
    histograms: dict[Key, list[float]] = {}
    """How many fell into each bucket, the last of which has no bound, and the sum behind them."""

    def add(self, key: Key, number: float = 1) -> None:
        """Counts something."""
        self.counts[key] = self.counts.get(key, 0) + number

    def observe(self, key: Key, values: Sequence[float]) -> None:
        """Puts each of them into its bucket."""
        bounds = KINDS[key[0]].buckets
        numbers = self.histograms.get(key)
        if numbers is None:
            numbers = self.histograms[key] = [0] * (len(bounds) + 2)
        for value in values:
            numbers[bisect_left(bounds, value)] += 1
        numbers[-1] += sum(values)


def total(tallies: Iterable[Tally]) -> Tally:
    """What all have counted together."""
    both = Tally()
    for tally in tallies:
        for key, number in tally.counts.items():
            both.add(key, number)
        for key, numbers in tally.histograms.items():
            before = both.histograms.get(key, [0] * len(numbers))
            both.histograms[key] = [a + b for a, b in zip(before, numbers, strict=True)]
    return both


def metrics(tally: Tally) -> Iterator[Metric]:
    """The counters and histograms, those that are empty among them."""
    for name, kind in KINDS.items():
        if kind.buckets:
            histogram = HistogramMetricFamily(name, kind.help, labels=kind.labels)
            for key, numbers in _of(name, tally.histograms):
                buckets = list(_cumulative(kind.buckets, numbers))
                histogram.add_metric(key[1:], buckets, numbers[-1])
            yield histogram
        else:
            counter = CounterMetricFamily(name, kind.help, labels=kind.labels)
            for key, number in _of(name, tally.counts):
                counter.add_metric(key[1:], number)
            yield counter


def _of(name: str, of_all: dict[Key, T]) -> list[tuple[Key, T]]:
    return sorted((key, value) for key, value in of_all.items() if key[0] == name)


def _cumulative(bounds: Sequence[float], numbers: list[float]) -> Iterator[tuple[str, float]]:
    names = [*map(str, bounds), "+Inf"]
    return zip(names, accumulate(numbers[:-1]), strict=True)
