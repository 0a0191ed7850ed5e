"""What is done for dead workers: with real rows of DBOS, on a real Postgres."""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dbos._sys_db import SystemDatabase
from sqlalchemy import Engine, text

from models.config import TrainConfig
from service.jobs import database
from service.jobs.lease import Lease
from service.jobs.queue import QUEUE
from service.jobs.rescue import put_back_strays, rescue, sweep
from service.jobs.store import JobStore
from service.settings import Settings
from tests.jobs.test_workers import add
from tests.postgres import Postgres

TAKE = text("""
    UPDATE dbos.workflow_status
    SET status = :status, executor_id = :worker, owner_xid = 'its', recovery_attempts = 1,
        started_at_epoch_ms = 1, updated_at = 1
    WHERE workflow_uuid = :job_id
""")
ROW = text("SELECT * FROM dbos.workflow_status WHERE workflow_uuid = :job_id")
SINCE_START = text("SELECT extract(epoch FROM now() - pg_postmaster_start_time())::float")
NAMES = text("SELECT name FROM crosscheck.workers")


@pytest.fixture
def jobs(engine: Engine, database_url: str, tmp_path: Path) -> Iterator[JobStore]:
    (tmp_path / ".staging").mkdir()
    store = JobStore(Settings(database_url=database_url, artifacts_dir=tmp_path))
    yield store
    store.close()


def job_of(worker: str, jobs: JobStore, engine: Engine, status: str = "PENDING") -> str:
    """A job that a worker has taken from the queue."""
    job_id = asyncio.run(jobs.submit(TrainConfig())).id
    with engine.begin() as connection:
        connection.execute(TAKE, {"job_id": job_id, "worker": worker, "status": status})
    return job_id


def row_of(job_id: str, engine: Engine) -> dict[str, Any]:
    with engine.connect() as connection:
        return dict(connection.execute(ROW, {"job_id": job_id}).mappings().one())


def look(engine: Engine) -> None:
    rescue(engine, "me", QUEUE, spared_seconds=0)


def test_the_server_frees_what_a_worker_had_locked_when_its_machine_was_gone(
    jobs: JobStore, engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = job_of("dead", jobs, engine)
    monkeypatch.setitem(database.HELD, "idle_in_transaction_session_timeout", "300ms")
    gone = database.engine(Settings(database_url=database_url)).connect()
    gone.execute(text("SELECT FROM dbos.workflow_status FOR UPDATE"))
    look(engine)
    assert row_of(job_id, engine)["status"] == "ENQUEUED"
    gone.invalidate()
    gone.close()


def test_the_job_of_a_dead_worker_is_queued_again_and_its_attempts_count(
    jobs: JobStore, engine: Engine
) -> None:
    job_id = job_of("dead", jobs, engine)
    look(engine)
    row = row_of(job_id, engine)
    assert (row["status"], row["queue_name"], row["recovery_attempts"]) == ("ENQUEUED", QUEUE, 1)
    job = asyncio.run(jobs.get(job_id))
    assert (job.status, job.progress) == ("queued", None)


def test_dbos_would_do_the_same(jobs: JobStore, engine: Engine) -> None:
    """Its own recovery is private, and for a worker's own jobs: ours must not fall behind it."""
    ours, theirs = job_of("dead", jobs, engine), job_of("gone", jobs, engine)
    system: SystemDatabase = jobs.client._sys_db
    assert [row.workflow_id for row in system.get_pending_workflows("gone", "1")] == [theirs]
    assert system.reenqueue_for_recovery(theirs, ["gone"], "another")
    look(engine)
    mine, its = row_of(ours, engine), row_of(theirs, engine)
    differ = {name for name in mine if mine[name] != its[name]}
    own = {"workflow_uuid", "creator_xid", "created_at", "executor_id", "attributes"}
    assert differ <= own | {"updated_at"}
    assert abs(mine["updated_at"] - its["updated_at"]) < 60_000


def test_a_worker_that_lives_keeps_its_job(jobs: JobStore, engine: Engine) -> None:
    worker = Lease(engine)
    job_id = job_of(worker.name, jobs, engine)
    look(engine)
    assert row_of(job_id, engine)["status"] == "PENDING"


def test_so_does_one_that_may_take_its_lock_again_after_a_restart(
    jobs: JobStore, engine: Engine
) -> None:
    job_id = job_of("alive", jobs, engine)
    rescue(engine, "me", QUEUE, spared_seconds=1e9)
    assert row_of(job_id, engine)["status"] == "PENDING"


def test_so_does_one_that_may_take_its_lock_again_after_a_crash(
    jobs: JobStore, engine: Engine, postgres: Postgres
) -> None:
    """It was not as long ago as the start."""
    job_id = job_of("alive", jobs, engine)
    postgres.crash()
    with engine.connect() as connection:
        since_start = connection.scalar(SINCE_START)
    rescue(engine, "me", QUEUE, spared_seconds=since_start)
    assert row_of(job_id, engine)["status"] == "PENDING"
    look(engine)
    assert row_of(job_id, engine)["status"] == "ENQUEUED"


@pytest.mark.parametrize(
    "status", ["CANCELLED", "SUCCESS", "ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
)
def test_a_job_that_has_ended_is_not_revived(jobs: JobStore, engine: Engine, status: str) -> None:
    job_id = job_of("dead", jobs, engine, status)
    job_of("dead", jobs, engine)
    look(engine)
    assert row_of(job_id, engine)["status"] == status


def test_a_worker_that_stops_puts_back_what_is_its_own_alone(
    jobs: JobStore, engine: Engine
) -> None:
    job_id = job_of("a", jobs, engine)
    asyncio.run(jobs.put_back(job_id, "b"))
    assert row_of(job_id, engine)["status"] == "PENDING"
    asyncio.run(jobs.put_back(job_id, "a"))
    assert row_of(job_id, engine)["status"] == "ENQUEUED"
    asyncio.run(jobs.put_back(str(uuid.uuid4()), "a"))


def test_a_job_that_a_worker_has_taken_and_does_not_run_is_queued_again(
    jobs: JobStore, engine: Engine
) -> None:
    runs, lost, of_another = (job_of(name, jobs, engine) for name in ("me", "me", "another"))
    strays = put_back_strays(engine, "me", QUEUE, {runs}, set())
    assert strays == {lost}
    assert row_of(lost, engine)["status"] == "PENDING"
    put_back_strays(engine, "me", QUEUE, {runs}, strays)
    found = [row_of(job_id, engine)["status"] for job_id in (runs, lost, of_another)]
    assert found == ["PENDING", "ENQUEUED", "PENDING"]


def test_who_is_gone_for_an_hour_is_forgotten(engine: Engine) -> None:
    living = Lease(engine).name
    for name, ago in (("long ago", 4000), ("just now", 10)):
        add(engine, name, "died", ago=ago)
    add(engine, "unnoticed", "ready", ago=4000)
    look(engine)
    with engine.connect() as connection:
        assert {*connection.scalars(NAMES)} == {living, "just now", "unnoticed"}


def test_folders_of_workers_that_are_gone_are_removed(engine: Engine, tmp_path: Path) -> None:
    living = Lease(engine).name
    add(engine, "dead", "died")
    for name in ("me", living, "dead", "unknown"):
        (tmp_path / f".worker-{name}.tmp" / "socket").mkdir(parents=True)
    sweep(engine, "me", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        ".worker-me.tmp",
        f".worker-{living}.tmp",
    }
