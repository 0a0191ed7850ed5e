"""What a worker does with a job, in its own process, and before each job."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import pytest
from dbos import DBOS
from sqlalchemy import Engine, text

from models.config import TrainConfig
from service.errors import Unavailable
from service.jobs import child, database, workflows
from service.jobs.lease import Lease
from service.jobs.rows import GIVEN_UP
from service.jobs.store import JobStore
from service.jobs.workflows import tidy_up
from service.schemas import Job
from service.settings import Settings
from service.tracing import Tracing
from tests.jobs.test_lease import until
from tests.postgres import Postgres
from tests.registry.versions import fill, metadata
from tests.store.machines import in_memory, machine, refresh
from tests.tables.revisions import publish
from tests.telemetry.collector import collecting

LOST = text("UPDATE dbos.workflow_status SET recovery_attempts = :times")


@pytest.fixture
def jobs(engine: Engine, database_url: str, tmp_path: Path) -> Iterator[JobStore]:
    """Those of a worker in this process, which sends traces and is not launched yet."""
    (tmp_path / ".staging").mkdir()
    with collecting() as collector:
        settings = Settings(
            database_url=database_url, artifacts_dir=tmp_path, otlp_endpoint=collector.endpoint
        )
        store, tracing = JobStore(settings), Tracing(settings)
        workflows.register(settings, store, Lease(engine), set(), tracing)
        yield store
        DBOS.destroy(destroy_registry=True)
        tracing.close()
        store.close()


def ended(jobs: JobStore, job_id: str) -> Job:
    """A job, once the worker is launched and has ended it."""
    DBOS.launch()

    def has_ended() -> bool:
        with suppress(Unavailable):
            return asyncio.run(jobs.has_ended(job_id))
        return False

    until(has_ended)
    return asyncio.run(jobs.get(job_id))


def test_a_job_is_run_whatever_is_lost_of_its_trace(
    jobs: JobStore, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = JobStore.known

    async def ask_in_vain(store: JobStore, job_id: str) -> dict[str, Any]:
        postgres.stop()
        try:
            return await known(store, job_id)
        finally:
            postgres.start()

    async def train(work: child.Work) -> list[dict[str, Any]]:
        return []

    monkeypatch.setattr(JobStore, "known", ask_in_vain)
    monkeypatch.setattr(child, "run", train)
    job_id = asyncio.run(jobs.submit(TrainConfig())).id
    assert ended(jobs, job_id).status == "succeeded"


def test_a_job_that_was_cancelled_is_so_once_the_database_is_back(
    jobs: JobStore, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    coming_back = threading.Thread(target=postgres.start)

    async def find_it_cancelled(work: child.Work) -> NoReturn:
        postgres.stop()
        coming_back.start()
        raise child.JobCancelled

    monkeypatch.setattr(child, "run", find_it_cancelled)
    job_id = asyncio.run(jobs.submit(TrainConfig())).id
    assert ended(jobs, job_id).status == "cancelled"
    coming_back.join()


@pytest.mark.anyio
async def test_a_worker_removes_from_its_machine_what_was_removed_elsewhere(tmp_path: Path) -> None:
    objects = in_memory()
    elsewhere, here = (machine(tmp_path / name, objects) for name in ("elsewhere", "here"))
    publish(elsewhere.tables, "houses")
    refresh(here)
    table, models = here.tables.folder("houses", 1), here.registry.of("houses")
    fill(models.place("cross", 1), metadata())
    settings = Settings(artifacts_dir=here.registry.artifacts)
    await database.prepare(settings)
    jobs = JobStore(settings, here)
    await tidy_up(jobs)
    assert table.exists()
    elsewhere.tables.remove("houses")
    await tidy_up(jobs)
    assert not table.exists()
    assert not models.root.exists()
    jobs.close()


@pytest.mark.parametrize(
    ("is_decided", "status", "error"),
    [(True, "succeeded", None), (False, "failed", GIVEN_UP)],
    ids=["decided", "undecided"],
)
def test_a_job_that_is_decided_to_publish_is_never_given_up(
    jobs: JobStore,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    is_decided: bool,
    status: str,
    error: str | None,
) -> None:
    async def publish(work: child.Work) -> list[dict[str, Any]]:
        return []

    monkeypatch.setattr(child, "run", publish)
    job_id = asyncio.run(jobs.submit(TrainConfig())).id
    with engine.begin() as connection:
        connection.execute(LOST, {"times": jobs.settings.max_job_attempts + 1})
    if is_decided:
        jobs.staging.publish(job_id, jobs.staging.begin(job_id))
    job = ended(jobs, job_id)
    assert (job.status, job.error) == (status, error)
