"""What a scrape is answered with: what all API processes have counted, and how things stand."""

import asyncio
from collections.abc import Iterable, Iterator
from importlib.metadata import version

from anyio import to_thread
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from starlette.datastructures import State

from service.schemas import JobStatus, Ready
from service.settings import Settings
from service.telemetry import standing, trials
from service.telemetry.counting import Counting, Told, runs
from service.telemetry.kept import Kept
from service.telemetry.standing import Served
from service.telemetry.tally import metrics, total

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""Prometheus 3 takes nothing from whoever names none that it knows."""

JOBS_SECONDS = 2.0
SERVED_SECONDS = 5.0
"""How long these are kept: they cost a question to the database, and looks at many files."""


class _Found(Collector):
    """Hands on metrics that were found before."""

    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._found


class Scrape:
    """Answers scrapes, one at a time. It takes its threads from anyio: see jobs/database.py."""

    def __init__(self, state: State, settings: Settings, counting: Counting) -> None:
        self._state = state
        self._settings = settings
        self._counting = counting
        self._served = Kept(self._look_at_served, SERVED_SECONDS)
        self._jobs = Kept(state.jobs.numbers, JOBS_SECONDS)
        self._worker = Kept(self._look_for_worker, JOBS_SECONDS)
        self._answering = asyncio.Lock()

    async def text(self) -> bytes:
        """All metrics in Prometheus's text format.

        What cannot be looked up now is left out: the jobs, where their database does not answer,
        and the worker, where that knows of it.
        """
        async with self._answering:
            ready, served, jobs, worker = await asyncio.gather(
                self._state.readiness["predictions"].check(),
                self._served.get(),
                self._jobs.get(),
                self._worker.get(),
            )
            told = self._counting.all()
            counted = total(each.tally for each in told)

            def write() -> bytes:
                found = [*metrics(counted), *trials.metrics(counted), *_of_processes(told)]
                found += self._standing(ready, served, jobs, worker)
                return generate_latest(_Found(found))

            return await to_thread.run_sync(write)

    async def _look_at_served(self) -> list[Served]:
        registry, tables, _ = self._state.places
        most = self._settings.max_metrics_datasets
        return await to_thread.run_sync(standing.served, registry, tables, most)

    async def _look_for_worker(self) -> bool:
        return await self._state.jobs.why_down() is None

    def _standing(
        self,
        ready: Ready,
        found: list[Served] | None,
        jobs: dict[JobStatus, int] | None,
        worker: bool | None,
    ) -> Iterator[Metric]:
        yield from standing.of_readiness(ready)
        if worker is not None:
            yield from standing.of_worker(worker)
        if found is not None:
            yield from standing.of_served(found)
        if jobs is not None:
            yield from standing.of_jobs(jobs, self._settings.max_queued_jobs)


def _of_processes(told: list[Told]) -> Iterator[Metric]:
    running = [each for each in told if runs(each)]
    yield GaugeMetricFamily(
        "crosscheck_api_processes", "API processes that run.", value=len(running)
    )
    yield GaugeMetricFamily(
        "crosscheck_event_streams",
        "Streams of a job's events that are open.",
        value=sum(each.event_streams for each in running),
    )
    build = GaugeMetricFamily(
        "crosscheck_build_info", "The version of the service.", labels=("version",)
    )
    build.add_metric((version("crosscheck"),), 1)
    yield build
