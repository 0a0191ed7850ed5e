import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event, update

from models.config import TrainConfig
from service.jobs import database, store
from service.jobs.queue import ROWS
from service.jobs.store import JobStore
from service.settings import Settings

pytestmark = pytest.mark.anyio


async def test_the_jobs_of_a_dataset_are_found_among_many_others_page_by_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LOOKED_AT", 8)
    settings = Settings(artifacts_dir=tmp_path)
    await database.prepare(settings)
    jobs = JobStore(settings)
    seeds = {"odd": [1, 9, 10], "triples": [0, 2, 3, 4, 5, 6, 7, 8]}
    name_of = {seed: name for name, its in seeds.items() for seed in its}
    for seed in range(11):
        config = {"seed": seed, "dataset": {"kind": "table", "name": "odd", "revision": 1}}
        await jobs._enqueue(
            str(UUID(int=seed)),
            TrainConfig.model_validate(config if name_of[seed] == "odd" else {"seed": seed}),
            {"submitted_at": datetime.now(UTC).isoformat()},
        )
    for name, its in seeds.items():
        for limit in (1, 2, 20):
            found: list[int] = []
            cursor = None
            while True:
                page = await jobs.page(None, limit, cursor, name)
                assert len(page.jobs) <= limit
                found += [job.config.seed for job in page.jobs]
                if (cursor := page.next_cursor) is None:
                    break
            assert found == its[::-1]
    jobs.close()


@pytest.fixture(params=["sqlite", "postgres"])
async def jobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[JobStore]:
    on_postgres = request.param == "postgres"
    url = request.getfixturevalue("database_url") if on_postgres else ""
    settings = Settings(artifacts_dir=tmp_path, database_url=url)
    (tmp_path / ".staging").mkdir()
    await database.prepare(settings)
    made = JobStore(settings)
    yield made
    made.close()


async def taken(jobs: JobStore) -> str:
    """A job that worker `me` has taken from the queue, for the third time."""
    job_id = (await jobs.submit(TrainConfig())).id
    take = update(ROWS).values(status="PENDING", executor_id="me", recovery_attempts=3)
    with jobs._engine.begin() as connection:
        connection.execute(take)
    return job_id


async def test_a_job_is_put_back_by_its_worker_alone_and_no_attempt_is_counted(
    jobs: JobStore,
) -> None:
    job_id = await taken(jobs)
    await jobs.put_back(job_id, "another")
    assert (await jobs.get(job_id)).status == "running"
    await jobs.put_back(job_id, "me")
    assert (await jobs.get(job_id)).status == "queued"
    (row,) = await jobs.client.list_workflows_async(workflow_ids=[job_id])
    assert row.recovery_attempts == 0


async def test_a_job_that_is_cancelled_as_its_worker_stops_is_not_queued_again(
    jobs: JobStore,
) -> None:
    job_id = await taken(jobs)
    told: list[str] = []

    def cancel_first(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE") and not told:
            told.append("")
            told[0] = asyncio.run(cancelled(job_id, jobs.settings))

    event.listen(Engine, "before_cursor_execute", cancel_first)
    try:
        await jobs.put_back(job_id, "me")
    finally:
        event.remove(Engine, "before_cursor_execute", cancel_first)
    assert told == [(await jobs.get(job_id)).status] == ["cancelled"]


async def cancelled(job_id: str, settings: Settings) -> str:
    """What a client is told who cancels a job, by another process."""
    other = JobStore(settings)
    try:
        return (await other.cancel(job_id)).status
    finally:
        other.close()
