"""The worker: takes one job at a time from the queue and watches the child that trains it."""

import asyncio
import logging
import os
import signal
import threading
from datetime import UTC, datetime
from typing import Any

from dbos import DBOS, DBOSConfig, WorkflowSerializationFormat, error

from models.config import TrainConfig
from service.jobs import child, curves, database, rescue, spans, temporary_folder
from service.jobs.lease import Lease
from service.jobs.news import News
from service.jobs.store import APPLICATION_VERSION, QUEUE, WORKFLOW, JobStore
from service.jobs.worker_state import FILE, WorkerState
from service.settings import Settings
from service.tracing import Tracing
from service.tracing import begin as tracing_of

logger = logging.getLogger(__name__)

POLLING_SECONDS, POLLING_OF_MANY_SECONDS = 0.2, 1.0
"""How often the queue is looked at: in a file, and in Postgres, which hundreds of workers ask."""
PUT_BACK_SECONDS = 2.5

LIFE_SECONDS = 0.2
"""How often to look whether the lease is over. After this process was stopped, it is at once."""


def work(settings: Settings) -> None:
    """Runs jobs until the process is told to stop. Raises CannotTrain if it never could.

    A job that is running then is queued again. After a crash it runs again: with SQLite at the next
    start, for DBOS has recorded whose it is; with Postgres as soon as another worker takes notice.
    """
    running: set[str] = set()
    life = _begin(settings, running)
    folder = settings.artifacts_dir / temporary_folder.NAME.format(life.name)
    try:
        temporary_folder.prepare(folder)
        child.start_fork_server()
    except (OSError, child.CannotTrain) as error:
        life.say("failed", str(error))
        raise child.CannotTrain(str(error)) from None
    life.say("starting", "it waits for the job database")
    asyncio.run(database.prepare(settings))
    store = JobStore(settings)
    asyncio.run(_tidy_up(store))
    tracing = tracing_of(settings)
    _register_workflow(settings, store, life, running, tracing)
    DBOS.listen_queues([QUEUE])
    DBOS.launch()
    polling = POLLING_OF_MANY_SECONDS if settings.database_url else POLLING_SECONDS
    DBOS.register_queue(QUEUE, worker_concurrency=1, polling_interval_sec=polling)
    life.say("ready")
    logger.info("worker %s is ready", life.name)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(LIFE_SECONDS):
        if life.is_over:
            child.end_all()
            logger.error("worker %s ends: others may take it for dead", life.name)
            os._exit(1)
    child.end_all()
    life.say("stopped")
    # Apart, for a database that hangs would hold it.
    putting_back = threading.Thread(
        target=_put_back, args=(store, life.name, list(running)), daemon=True
    )
    putting_back.start()
    putting_back.join(PUT_BACK_SECONDS)
    temporary_folder.tidy_up(folder)
    if tracing:
        tracing.close()
    os._exit(0)  # at once


def _begin(settings: Settings, running: set[str]) -> Lease | WorkerState:
    if not settings.database_url:
        try:
            return WorkerState(settings.artifacts_dir)
        except OSError as error:  # it belongs to another user, or the file system knows no locks
            raise child.CannotTrain(f"{FILE} cannot be used: {error.strerror}") from None
    asyncio.run(database.prepare(settings))
    engine = database.engine(settings)
    life = Lease(engine)
    rescuing = (engine, life.name, QUEUE, running, settings.artifacts_dir)
    threading.Thread(target=rescue.keep_rescuing, args=rescuing, daemon=True).start()
    return life


def _put_back(store: JobStore, worker: str, running: list[str]) -> None:
    for job_id in running:
        try:
            asyncio.run(store.put_back(job_id, worker))
        except Exception:
            logger.exception("could not queue job %s again; it runs at the next start", job_id)


def _register_workflow(
    settings: Settings,
    store: JobStore,
    life: Lease | WorkerState,
    running: set[str],
    tracing: Tracing | None,
) -> None:
    options: DBOSConfig = {
        "name": "crosscheck",
        "system_database_url": database.url(settings),
        "executor_id": life.name,
        "application_version": APPLICATION_VERSION,
        "log_level": "WARNING",
    }
    DBOS(config=options)
    logging.getLogger("dbos").addFilter(_is_news)

    @DBOS.step(preemptible=True)
    async def run_child(job_id: str, config: dict[str, Any]) -> list[dict[str, Any]]:
        await _tidy_up(store)
        await store.note(job_id, started_at=_now(), progress=None)

        async def keep(kind: str, told: Any) -> None:
            if kind == "progress":
                await store.note(job_id, progress=told)
            else:
                await _keep_losses(job_id, told)

        news = News(keep)
        try:
            parsed = TrainConfig.model_validate(config)
            above = await store.traceparent(job_id) if tracing else None
            with spans.of_job(tracing, job_id, parsed, above) as come_to:

                def tell(kind: str, told: Any) -> None:
                    if kind == "progress":
                        come_to(told["model"])
                    news.tell(kind, told)

                return await child.run(job_id, parsed, settings, tell, life.hold)
        except child.JobCancelled:
            await store.client.cancel_workflow_async(job_id)
            raise
        finally:
            await news.end()
            await store.note(job_id, finished_at=_now())

    @DBOS.workflow(
        name=WORKFLOW,
        max_recovery_attempts=settings.max_job_attempts,
        serialization_type=WorkflowSerializationFormat.PORTABLE,
    )
    async def train(config: dict[str, Any]) -> list[dict[str, Any]]:
        assert DBOS.workflow_id is not None
        running.add(DBOS.workflow_id)
        try:
            return await run_child(DBOS.workflow_id, config)
        finally:
            running.discard(DBOS.workflow_id)


async def _keep_losses(job_id: str, losses: dict[str, Any]) -> None:
    """Keeps them with the job that this step is of; to lose them must not cost the job."""
    try:
        await DBOS.set_event_async(curves.KEY, losses)
    except error.DBOSWorkflowConflictIDError:
        pass  # it was cancelled just now, or belongs to another worker
    except Exception:
        logger.exception("could not keep the losses of job %s", job_id)


async def _tidy_up(store: JobStore) -> None:
    """Removes the staging folders of jobs that have ended, and forgets the oldest of these."""
    try:
        for job_id in await asyncio.to_thread(store.staging.jobs):
            if await store.has_ended(job_id):
                await asyncio.to_thread(store.staging.remove, job_id)
        await store.forget_old()
    except Exception:  # no job is to fail for it
        logger.exception("could not tidy up")


def _is_news(record: logging.LogRecord) -> bool:
    """Whether DBOS tells of something else than of a job that failed or was cancelled.

    The child has told why it failed, and to cancel one is no fault.
    """
    kind = record.exc_info[0] if record.exc_info else None
    told = {"JobFailed", "JobCancelled", "DBOSAwaitedWorkflowCancelledError"}
    return kind is None or kind.__name__ not in told


def _now() -> str:
    return datetime.now(UTC).isoformat()
