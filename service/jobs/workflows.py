"""What a worker does with a job, or help with one, that DBOS has given it."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

from dbos import DBOS, DBOSConfig, WorkflowSerializationFormat, error

from models.config import TrainConfig
from service.jobs import child, curves, database, spans
from service.jobs.lease import Lease
from service.jobs.news import News
from service.jobs.queue import APPLICATION_VERSION, HELP, QUEUE, WORKFLOW
from service.jobs.rows import GIVEN_UP
from service.jobs.store import JobStore
from service.jobs.worker_state import WorkerState
from service.settings import Settings
from service.store import tidying
from service.tracing import Tracing

logger = logging.getLogger(__name__)

POLLING_SECONDS = 0.2
"""How often the queue is looked at: in Postgres, nearly half of what an idle worker asks of it."""

NEWS_SECONDS = 1.0
"""How often DBOS looks whether it has news for Postgres. Nobody waits for them."""


def register(
    settings: Settings,
    store: JobStore,
    life: Lease | WorkerState,
    running: set[str],
    tracing: Tracing | None,
) -> None:
    """Tells DBOS what to do with a job, and with help for one, and of how many at once.

    Args:
        running: Gets what this worker runs now.
    """
    options: DBOSConfig = {
        "name": "crosscheck",
        "system_database_url": database.url(settings),
        "executor_id": life.name,
        "application_version": APPLICATION_VERSION,
        "log_level": "WARNING",
        "notification_coalesce_sec": NEWS_SECONDS,
    }
    dbos = DBOS(config=options)
    # In this process alone. Of `register_queue` there would be one row in the database for all
    # workers: the last one to start would set how many slots each of them has.
    dbos.listen_queues([])
    dbos._registry._register_internal_queue(
        QUEUE, worker_concurrency=settings.slots, polling_interval_sec=POLLING_SECONDS
    )
    logging.getLogger("dbos").addFilter(_is_news)
    _register_jobs(settings, store, life, running, tracing)
    _register_helpers(settings, store, life, running)


def _register_jobs(
    settings: Settings,
    store: JobStore,
    life: Lease | WorkerState,
    running: set[str],
    tracing: Tracing | None,
) -> None:
    @DBOS.step(preemptible=True)
    async def run_job(job_id: str, config: dict[str, Any]) -> list[dict[str, Any]]:
        await tidy_up(store)
        await store.note(job_id, started_at=_now(), progress=None)

        async def keep(kind: str, told: Any) -> None:
            if kind == "progress":
                await store.note(job_id, progress=told)
            else:
                await _keep_losses(job_id, told)

        news = News(keep)
        try:
            if await _is_to_be_given_up(job_id, store, settings.max_job_attempts):
                raise child.JobFailed(GIVEN_UP)
            parsed = TrainConfig.model_validate(config)
            known = await store.known(job_id)
            with spans.of_job(tracing, job_id, parsed, known.get("traceparent")) as come_to:

                def tell(kind: str, told: Any) -> None:
                    if kind == "progress":
                        come_to(told["model"])
                    news.tell(kind, told)

                told_of = (job_id, parsed, settings, tell, life.hold, store.parts)
                made_at = known.get("table_made_at")
                return await child.run(child.Work(*told_of, table_made_at=made_at))
        except child.JobCancelled:
            await DBOS.cancel_workflow_async(job_id)  # waits for the database, as `store` does not
            raise
        finally:
            if settings.shares_jobs:
                await store.parts.withdraw(job_id)
            await news.end()
            await store.note(job_id, finished_at=_now())

    @DBOS.workflow(
        name=WORKFLOW,
        max_recovery_attempts=None,  # `run_job` sees to it
        serialization_type=WorkflowSerializationFormat.PORTABLE,
    )
    async def train(config: dict[str, Any]) -> list[dict[str, Any]]:
        assert DBOS.workflow_id is not None
        running.add(DBOS.workflow_id)
        try:
            return await run_job(DBOS.workflow_id, config)
        finally:
            running.discard(DBOS.workflow_id)


def _register_helpers(
    settings: Settings, store: JobStore, life: Lease | WorkerState, running: set[str]
) -> None:
    @DBOS.step(preemptible=True)
    async def run_helper(helper: str, job_id: str, config: dict[str, Any], offer: str) -> None:
        if await store.has_ended(job_id):
            return

        async def keep(kind: str, told: Any) -> None:
            await store.note(helper, **{kind: told})

        news, parsed = News(keep), TrainConfig.model_validate(config)
        help_with = child.Help(helper, offer)
        made_at = (await store.known(job_id)).get("table_made_at")
        told_of = (job_id, parsed, settings, news.tell, life.hold, store.parts)
        try:
            await child.run_once(child.Work(*told_of, help_with, made_at))
        finally:
            await news.end()

    @DBOS.workflow(
        name=HELP,
        max_recovery_attempts=settings.max_job_attempts,
        serialization_type=WorkflowSerializationFormat.PORTABLE,
    )
    async def help_to_train(job_id: str, config: dict[str, Any], offer: str) -> None:
        assert DBOS.workflow_id is not None
        running.add(DBOS.workflow_id)
        try:
            await run_helper(DBOS.workflow_id, job_id, config, offer)
        finally:
            running.discard(DBOS.workflow_id)


async def _is_to_be_given_up(job_id: str, store: JobStore, most_attempts: int) -> bool:
    """Whether a job has lost its worker too often; one that is about to publish never has."""
    found = await DBOS.get_workflow_status_async(job_id)
    # Never None but to who has deleted it meanwhile. The attempt of now counts, too.
    attempts = (found and found.recovery_attempts) or 0
    return attempts > most_attempts + 1 and not await child.is_to_publish(store.staging, job_id)


async def _keep_losses(job_id: str, losses: dict[str, Any]) -> None:
    """Keeps them with the job that this step is of; to lose them must not cost the job."""
    try:
        await DBOS.set_event_async(curves.KEY, losses)
    except error.DBOSWorkflowConflictIDError:
        pass  # it was cancelled just now, or belongs to another worker
    except Exception:
        logger.exception("could not keep the losses of job %s", job_id)


async def tidy_up(store: JobStore) -> None:
    """Removes the staging folders of jobs that have ended, forgets the oldest of these, and removes
    what else is left over."""
    try:
        for job_id in await asyncio.to_thread(store.staging.jobs):
            if await store.has_ended(job_id):
                await asyncio.to_thread(store.staging.remove, job_id)
        await store.forget_old()
        await asyncio.to_thread(tidying.tidy_up, store.places)
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
