"""Training jobs as the API sees them: submit, get, list, cancel. DBOS keeps them."""

import asyncio
import logging
import uuid
from datetime import UTC, datetime
from typing import Any

from anyio import to_thread
from dbos import DBOSClient, EnqueueOptions, WorkflowStatus

from models.config import TableDataset, TrainConfig
from models.exactness import why_not_exact
from service.errors import (
    RETRY_LATER,
    Conflict,
    Invalid,
    NotFound,
    QueueFull,
)
from service.jobs import database, worker_state, workers
from service.jobs.curves import KEY, Losses
from service.jobs.database import within
from service.jobs.parts import Parts
from service.jobs.queue import PUT_BACK, WORKFLOW, entry
from service.jobs.rows import (
    ENDED,
    STATUS_OF,
    STATUSES,
    Ended,
    Place,
    cursor_at,
    dataset_of,
    ended_of,
    job_of,
    place_at,
    place_of,
)
from service.registry.staging import CANCELLED
from service.schemas import Job, Jobs, JobStatus
from service.settings import Settings
from service.store.places import Places, places

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
CHECK_SECONDS = 2.0
FORGOTTEN_AT_ONCE = 1000

LOOKED_AT = 2000
"""So many jobs, for those of one dataset, in one page."""

_IDEMPOTENCY_KEYS = uuid.UUID("6a0b4f6e-4c53-4b57-9c0e-6f7a3f3c1f55")


class JobStore:
    """The jobs in the job database. All state is there: any process may ask for any job."""

    def __init__(self, settings: Settings, where: Places | None = None) -> None:
        where = where or places(settings.artifacts_dir, settings.store_url)
        self.settings = settings
        self.places = where
        self.staging = where.registry.staging
        self.tables = where.tables
        self.client = DBOSClient(
            system_database_url=database.url(settings), lazy=True, retry_connection_errors=False
        )
        self.parts = Parts(self.client)
        self._engine = database.engine(settings)
        self._submitting = asyncio.Lock()

    def close(self) -> None:
        """Closes the connections to the database."""
        self.client.destroy()
        self._engine.dispose()

    @within(CHECK_SECONDS)
    async def check(self) -> None:
        """Raises Unavailable if the database does not answer, or has no tables yet."""
        await self._list(None, limit=1)

    @within(CHECK_SECONDS)
    async def why_down(self) -> str | None:
        """Why no job is taken from the queue; None if there is a worker that does.

        Raises Unavailable if that is in the database, which does not answer.
        """
        if not self.settings.database_url:
            return await to_thread.run_sync(worker_state.why_down, self.settings.artifacts_dir)
        return await asyncio.to_thread(workers.why_down, self._engine)

    @within(ANSWER_SECONDS)
    async def submit(
        self,
        config: TrainConfig,
        idempotency_key: str | None = None,
        traceparent: str | None = None,
    ) -> Job:
        """Enqueues a job; with a key that was used before, returns the job of that time.

        A table is that of the newest revision now, if the config names none.

        Args:
            traceparent: The span that the job's spans are below.

        Raises:
            NotFound: There is no such table.
            Invalid: It has no such column, or the key was used with another config.
            QueueFull: `max_queued_jobs` jobs are waiting already.
        """
        job_id = str(
            uuid.uuid5(_IDEMPOTENCY_KEYS, idempotency_key) if idempotency_key else uuid.uuid4()
        )
        known = {"submitted_at": datetime.now(UTC).isoformat()}
        if traceparent is not None:
            known["traceparent"] = traceparent
        await self._enqueue_once(job_id, config, known, repeated=idempotency_key is not None)
        job = await self.get(job_id)
        if not _asks_for(config, job.config):
            raise Invalid("the Idempotency-Key was used before, with another body")
        return job

    @within(ANSWER_SECONDS)
    async def get(self, job_id: str) -> Job:
        """One job. Raises NotFound if there is no such job."""
        found = await self._find(job_id)
        if found is None:
            raise NotFound(f"there is no job {job_id}")
        (job,) = await self._with_reasons([job_of(found)])
        return job

    @within(ANSWER_SECONDS)
    async def losses(self, job_id: str) -> Losses | None:
        """The losses of a job, as far as they are known."""
        kept = await self.client.get_event_async(job_id, KEY, timeout_seconds=0)
        return None if kept is None else Losses.model_validate(kept)

    @within(ANSWER_SECONDS)
    async def has_ended(self, job_id: str) -> bool:
        """Whether nothing more will happen to a job; true of one that is unknown."""
        found = await self._find(job_id)
        return found is None or STATUS_OF[found.status] in ENDED

    @within(ANSWER_SECONDS)
    async def page(
        self,
        status: JobStatus | None = None,
        limit: int = 20,
        cursor: str | None = None,
        dataset: str | None = None,
    ) -> Jobs:
        """A page of jobs, newest first; `cursor` is the last page's `next_cursor`.

        DBOS cannot look for a dataset in SQLite: after `LOOKED_AT` jobs the page ends, however few
        of the dataset were among them, and the next one goes on there.
        """
        after = place_at(cursor) if cursor else None
        rows: list[WorkflowStatus] = []
        looked_at: list[Place] = []
        until = after[0] if after else None
        at_once = limit if dataset is None else LOOKED_AT // 4
        while True:
            # SQLite stamps whole seconds. So that a second is never cut in two, all of the last
            # one is read, and our own time of submission orders the jobs within it.
            batch = await self._list(status, until=until, limit=at_once + 1)
            last = batch[-1].created_at if len(batch) > at_once else None
            if last is not None:
                batch = [row for row in batch if row.created_at != last]
                batch += await self._list(status, since=last, until=last)
            batch = [row for row in batch if after is None or place_of(row) < after]
            looked_at += map(place_of, batch)
            rows += [row for row in batch if dataset in (None, dataset_of(row))]
            if last is None or len(rows) > limit or len(looked_at) >= LOOKED_AT:
                break
            until = last - 1
        rows.sort(key=place_of, reverse=True)
        end = place_of(rows[limit - 1]) if len(rows) > limit else last and min(looked_at)
        return Jobs(
            jobs=await self._with_reasons([job_of(row) for row in rows[:limit]]),
            next_cursor=cursor_at(end) if end else None,
        )

    @within(ANSWER_SECONDS)
    async def unfinished(self) -> list[TrainConfig]:
        """What the jobs that wait or run are about."""
        statuses = [*STATUSES["queued"], *STATUSES["running"]]
        rows = await self.client.list_workflows_async(name=WORKFLOW, status=statuses)
        return [job_of(row).config for row in rows]

    @within(CHECK_SECONDS)
    async def numbers(self) -> dict[JobStatus, int]:
        """How many jobs wait, and how many run."""
        found: dict[JobStatus, int] = {"queued": 0, "running": 0}
        rows = await self.client.list_workflows_async(
            name=WORKFLOW,
            status=[theirs for ours in found for theirs in STATUSES[ours]],
            load_input=False,
            load_output=False,
        )
        for row in rows:
            found[STATUS_OF[row.status]] += 1
        return found

    @within(ANSWER_SECONDS)
    async def ended_after(self, moment: float) -> list[Ended]:
        """The jobs that have ended since a moment, in seconds since 1970."""
        rows = await self.client.list_workflows_async(
            name=WORKFLOW,
            status=[theirs for ours in ENDED for theirs in STATUSES[ours]],
            completed_after=datetime.fromtimestamp(moment, UTC).isoformat(),
            load_input=False,
            load_output=False,
        )
        return [ended_of(row) for row in rows]

    @within(ANSWER_SECONDS)
    async def cancel(self, job_id: str) -> Job:
        """Cancels a queued or running job, or one that is cancelled already.

        Raises:
            Conflict: It has ended, or is publishing its versions at this moment.
        """
        job = await self.get(job_id)
        if job.status == "cancelled":
            return job
        if job.status in ENDED or await self._decided_to_publish(job_id):
            ended = job.status if job.status in ENDED else "about to succeed"
            raise Conflict(f"the job cannot be cancelled: it is {ended}")
        await self.client.cancel_workflow_async(job_id)
        await self.parts.withdraw(job_id)
        return await self.get(job_id)

    async def _decided_to_publish(self, job_id: str) -> bool:
        return await asyncio.to_thread(self.staging.cancel, job_id) != CANCELLED

    @within(ANSWER_SECONDS)
    async def put_back(self, job_id: str, worker: str) -> None:
        """Queues a job, or help with one, again that runs on a worker, which must end at once."""
        await asyncio.to_thread(self._put_back, job_id, worker)

    def _put_back(self, job_id: str, worker: str) -> None:
        # Not as DBOS resumes: to it, what is cancelled can be resumed, and what is another's.
        to_be_stopped_is_no_attempt = PUT_BACK.values(recovery_attempts=0)
        with self._engine.begin() as connection:
            connection.execute(to_be_stopped_is_no_attempt, {"name": worker, "job_ids": [job_id]})

    @within(ANSWER_SECONDS)
    async def forget_old(self) -> None:
        """Deletes jobs that have ended long ago, beyond `max_ended_jobs`; their versions stay.

        With them go the helpers of jobs that have ended.
        """
        statuses = [theirs for ours in sorted(ENDED) for theirs in STATUSES[ours]]
        rows = await self.client.list_workflows_async(
            name=WORKFLOW,
            status=statuses,
            sort_desc=True,
            offset=self.settings.max_ended_jobs,
            limit=FORGOTTEN_AT_ONCE,
            load_input=False,
            load_output=False,
        )
        if rows:
            await self.client.delete_workflows_async([row.workflow_id for row in rows])
        await self.parts.forget()

    async def known(self, job_id: str) -> dict[str, Any]:
        """The facts that are kept with a job; none, if they cannot be asked for now.

        `traceparent`: the span that its spans are below, if its request was traced.
        `table_made_at`: when its table came, which tells that from another one of its name.
        """
        try:
            found = await self._find(job_id)
        except Exception:
            logger.exception("could not ask what is kept with job %s", job_id)
            return {}
        return (found and found.attributes) or {}

    async def note(self, job_id: str, **attributes: Any) -> None:
        """Keeps facts with a job that DBOS does not keep; to lose one must not cost the job."""
        try:
            await self.client.update_workflow_attributes_async(job_id, attributes, merge=True)
        except Exception:
            logger.exception("could not keep %s with job %s", sorted(attributes), job_id)

    async def _with_reasons(self, jobs: list[Job]) -> list[Job]:
        """The same jobs; those that no worker can begin, or go on with, say why."""
        if all(job.status in ENDED for job in jobs):
            return jobs
        down = await self.why_down()
        return [
            job if job.status in ENDED else job.model_copy(update={"waiting_for": down})
            for job in jobs
        ]

    async def _find(self, job_id: str) -> WorkflowStatus | None:
        rows = await self.client.list_workflows_async(workflow_ids=[job_id], name=WORKFLOW, limit=1)
        return rows[0] if rows else None

    async def _list(
        self,
        status: JobStatus | None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[WorkflowStatus]:
        return await self.client.list_workflows_async(
            name=WORKFLOW,
            status=STATUSES[status] if status else None,
            start_time=_iso(since),
            end_time=_iso(until),
            limit=limit,
            sort_desc=True,
        )

    async def _enqueue_once(
        self, job_id: str, config: TrainConfig, known: dict[str, str], repeated: bool
    ) -> None:
        if repeated and await self._find(job_id):
            return
        pinned, of_table = await asyncio.to_thread(self._pinned, config)  # a store may be slow
        async with self._submitting:  # so that the queue does not fill up while we count it
            if not (repeated and await self._find(job_id)):
                await self._refuse_if_full()
                await self._enqueue(job_id, pinned, known | of_table)

    def _pinned(self, config: TrainConfig) -> tuple[TrainConfig, dict[str, str]]:
        dataset, schema, known = config.dataset, None, {}
        if isinstance(dataset, TableDataset):
            dataset, stored = self.tables.pin(dataset)
            schema = stored.contents.table_schema
            known["table_made_at"] = stored.made_at
        if refusal := why_not_exact(config, schema):
            raise Invalid(f"optimizer: {refusal}")
        return config.model_copy(update={"dataset": dataset}), known

    async def _refuse_if_full(self) -> None:
        limit = self.settings.max_queued_jobs
        waiting = await self._list("queued", limit=limit)
        if len(waiting) >= limit:
            raise QueueFull(f"{limit} jobs are waiting already; try again later", RETRY_LATER)

    async def _enqueue(self, job_id: str, config: TrainConfig, known: dict[str, str]) -> None:
        options: EnqueueOptions = {**entry(WORKFLOW, job_id), "attributes": known}
        await self.client.enqueue_async(options, config.model_dump(mode="json"))


def _asks_for(config: TrainConfig, pinned: TrainConfig) -> bool:
    """Whether a config, in which a table may have no revision, is that of a job."""
    asked, given = config.dataset, pinned.dataset
    if isinstance(asked, TableDataset) and isinstance(given, TableDataset):
        revision = asked.revision or given.revision
        config = config.model_copy(
            update={"dataset": asked.model_copy(update={"revision": revision})}
        )
    return config == pinned


def _iso(milliseconds: int | None) -> str | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat() if milliseconds else None
