"""What stands in the artifacts folder and the job database, as gauges."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from models.config import MODEL_NAMES, ModelName
from models.schema import TRIPLES
from service.errors import NotFound, Unavailable
from service.registry.manifest import Damaged
from service.registry.versions import Registry
from service.schemas import JobStatus, Metadata, Ready
from service.tables.store import Tables


class Served(NamedTuple):
    """A serving version, and its error on the rows that its job held out."""

    dataset: str
    network: ModelName
    version: int
    eval_error: float | None


def served(registry: Registry, tables: Tables, most: int) -> list[Served]:
    """What serves of the triples and of the tables of which it has changed last.

    Args:
        most: How many datasets to look at, at most.
    """
    changed_at = {name: _changed_at(registry.artifacts / name) for name in tables.names()}
    newest = sorted(changed_at, key=changed_at.__getitem__, reverse=True)[: most - 1]
    return [each for name in (TRIPLES, *newest) for each in _of(registry.of(name))]


def _of(registry: Registry) -> Iterator[Served]:
    for network in MODEL_NAMES:
        with suppress(NotFound, Damaged, Unavailable, OSError):  # it went as it was looked at
            if (number := registry.serving(network)) is not None:
                error = _eval_error(registry.metadata(network, number))
                yield Served(registry.dataset, network, number, error)


def _eval_error(about: Metadata) -> float | None:
    """The error that its comparison is about: on rows by which nothing was chosen, if there are."""
    if about.table is None:
        return about.scores.get("eval_rmse")
    return about.scores.get(
        {"regression": "test_rmse", "binary": "test_log_loss"}[about.table.task]
    )


def _changed_at(folder: Path) -> float:
    """When a version of a dataset was last published or promoted; 0 if none ever was."""
    times = [0.0]
    for network in MODEL_NAMES:
        with suppress(OSError):
            times.append(os.stat(folder / network).st_mtime)
    return max(times)


def of_served(found: list[Served]) -> Iterator[Metric]:
    """Which versions serve, and how well they did."""
    labels = ("dataset", "network")
    version = GaugeMetricFamily(
        "crosscheck_serving_version", "The number of the version that serves.", labels=labels
    )
    error = GaugeMetricFamily(
        "crosscheck_eval_error",
        "Of the serving version on rows held out: RMSE, of a binary target log loss.",
        labels=labels,
    )
    for each in found:
        version.add_metric((each.dataset, each.network), each.version)
        if each.eval_error is not None:
            error.add_metric((each.dataset, each.network), each.eval_error)
    yield version
    yield error


def of_jobs(numbers: dict[JobStatus, int], most: int) -> Iterator[Metric]:
    """How many jobs there are to do, and how many may be."""
    jobs = GaugeMetricFamily("crosscheck_jobs", "Jobs that wait and that run.", labels=("status",))
    for status, number in numbers.items():
        jobs.add_metric((status,), number)
    yield jobs
    yield GaugeMetricFamily("crosscheck_queue_limit", "How many jobs may wait.", value=most)


def of_readiness(ready: Ready) -> Iterator[Metric]:
    """What `/readyz` says."""
    subjects = GaugeMetricFamily(
        "crosscheck_ready", "1 if the service can do it, as /readyz says.", labels=("subject",)
    )
    subjects.add_metric(("predictions",), ready.ready)
    subjects.add_metric(("jobs",), ready.training.ready)
    yield subjects
    yield GaugeMetricFamily(
        "crosscheck_damaged_versions",
        "Versions that were met and are not what was published.",
        value=len(ready.damaged),
    )


def of_worker(is_up: bool) -> Iterator[Metric]:
    """Whether there is a worker that takes jobs."""
    yield GaugeMetricFamily(
        "crosscheck_worker_up", "1 if a worker takes jobs from the queue.", value=is_up
    )
