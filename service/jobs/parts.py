"""Who helps with running jobs: entries of the queue, which workers take that have no job.

Each helper of a job goes through the parts that were offered, and trains what nobody has claimed.
Nothing here can make a job fail, or wait for long: what nobody has trained, its own child trains.
"""

import logging
from collections.abc import Sequence
from typing import Any

from dbos import DBOSClient, WorkflowStatus

from models.config import TrainConfig
from service.jobs.database import within
from service.jobs.queue import HELP, entry
from service.jobs.rows import ENDED, STATUSES

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 2.0
FORGOTTEN_AT_ONCE = 1000

UNFINISHED = [*STATUSES["queued"], *STATUSES["running"]]

ID_LENGTH = 36
"""Of a job, with which the ids of its helpers begin."""


class Parts:
    """The helpers of all jobs."""

    def __init__(self, client: DBOSClient) -> None:
        self._client = client

    async def offer(
        self, job_id: str, config: TrainConfig, helpers: Sequence[str], offer: str
    ) -> None:
        """Queues helpers of a job.

        Args:
            helpers: Their ids, which begin with the job's.
            offer: Under which name it is left with the job what they may train.
        """
        try:
            await self._enqueue(job_id, config.model_dump(mode="json"), helpers, offer)
        except Exception as error:
            logger.warning("could not offer parts of job %s: %s", job_id, error)

    async def find(self, helper: str) -> tuple[bool, dict[str, Any] | None]:
        """Whether a helper is at work, and how far it is with its part.

        If it cannot be known, it is not: at worst something is trained twice, and comes out the
        same.
        """
        try:
            return await self._find(helper)
        except Exception as error:
            logger.warning("could not ask for the helper %s: %s", helper, error)
            return False, None

    async def withdraw(self, job_id: str) -> None:
        """Ends all helpers of a job."""
        try:
            await self._cancel(job_id)
        except Exception as error:
            logger.warning("could not end the helpers of job %s: %s", job_id, error)

    async def forget(self) -> None:
        """Deletes the helpers of jobs that have ended, or are gone."""
        helpers = await self._client.list_workflows_async(
            name=HELP,
            status=[theirs for ours in sorted(ENDED) for theirs in STATUSES[ours]],
            limit=FORGOTTEN_AT_ONCE,
            load_input=False,
            load_output=False,
        )
        if not helpers:
            return
        jobs = {helper.workflow_id: helper.workflow_id[:ID_LENGTH] for helper in helpers}
        needed = await self._client.list_workflows_async(
            workflow_ids=sorted({*jobs.values()}),
            status=UNFINISHED,
            load_input=False,
            load_output=False,
        )
        running = {job.workflow_id for job in needed}
        if old := [helper for helper, job in jobs.items() if job not in running]:
            await self._client.delete_workflows_async(old)

    @within(ANSWER_SECONDS)
    async def _enqueue(self, job_id: str, config: Any, helpers: Sequence[str], offer: str) -> None:
        for helper in helpers:
            await self._client.enqueue_async(entry(HELP, helper), job_id, config, offer)

    @within(ANSWER_SECONDS)
    async def _find(self, helper: str) -> tuple[bool, dict[str, Any] | None]:
        found = await self._client.list_workflows_async(
            workflow_ids=[helper], status=STATUSES["running"], load_input=False, load_output=False
        )
        return bool(found), (found[0].attributes or {}).get("progress") if found else None

    @within(ANSWER_SECONDS)
    async def _cancel(self, job_id: str) -> None:
        rows: list[WorkflowStatus] = await self._client.list_workflows_async(
            name=HELP,
            workflow_id_prefix=job_id,
            status=UNFINISHED,
            load_input=False,
            load_output=False,
        )
        if rows:
            await self._client.cancel_workflows_async([row.workflow_id for row in rows])
