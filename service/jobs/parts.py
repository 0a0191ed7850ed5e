"""The parts of running jobs in the job database, where other workers find them.

Nothing here can make a job fail, or wait for long: what nobody has done, its own worker does.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from dbos import DBOSClient, WorkflowStatus

from models.config import TrainConfig
from service.jobs.database import within
from service.jobs.queue import PART, entry
from service.jobs.rows import ENDED, STATUSES

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 2.0
FORGOTTEN_AT_ONCE = 1000

State = Literal["ours", "theirs", "done"]


class Parts:
    """All parts of all jobs."""

    def __init__(self, client: DBOSClient) -> None:
        self._client = client

    async def offer(self, job_id: str, config: TrainConfig, parts: Mapping[str, str]) -> None:
        """Queues parts of a job: by their keys, as `packing.pack_part` gives them."""
        try:
            await self._enqueue(job_id, config.model_dump(mode="json"), parts)
        except Exception as error:
            logger.warning("could not offer parts of job %s: %s", job_id, error)

    async def claim(self, job_id: str, key: str) -> tuple[State, dict[str, Any] | None]:
        """Takes a part back that nobody has begun; else tells how far it is there.

        If it cannot be known, it is ours: at worst it is trained twice, and comes out the same.
        """
        try:
            return await self._claim(_id(job_id, key))
        except Exception as error:
            logger.warning("could not ask for part %s of job %s: %s", key, job_id, error)
            return "ours", None

    async def withdraw(self, job_id: str, keys: Iterable[str] | None = None) -> None:
        """Ends these parts of a job, by default all, whoever runs them."""
        try:
            ids = [_id(job_id, key) for key in keys] if keys else await self._unfinished(job_id)
            await self._cancel(ids)
        except Exception as error:
            logger.warning("could not end parts of job %s: %s", job_id, error)

    async def forget(self) -> None:
        """Deletes the parts of jobs that have ended, or are gone."""
        parts = await self._client.list_workflows_async(
            name=PART,
            status=[theirs for ours in sorted(ENDED) for theirs in STATUSES[ours]],
            limit=FORGOTTEN_AT_ONCE,
            load_input=False,
            load_output=False,
        )
        jobs = {part.workflow_id: part.workflow_id[:36] for part in parts}
        running = await self._client.list_workflows_async(
            workflow_ids=sorted({*jobs.values()}),
            status=[*STATUSES["queued"], *STATUSES["running"]],
            load_input=False,
            load_output=False,
        )
        needed = {job.workflow_id for job in running}
        if old := [part for part, job in jobs.items() if job not in needed]:
            await self._client.delete_workflows_async(old)

    @within(ANSWER_SECONDS)
    async def _enqueue(self, job_id: str, config: Any, parts: Mapping[str, str]) -> None:
        for key, packed in parts.items():
            await self._client.enqueue_async(entry(PART, _id(job_id, key)), job_id, config, packed)

    @within(ANSWER_SECONDS)
    async def _claim(self, part_id: str) -> tuple[State, dict[str, Any] | None]:
        found = await self._client.list_workflows_async(
            workflow_ids=[part_id], load_input=False, load_output=False
        )
        status = found[0].status if found else None
        if status == "SUCCESS":
            return "done", None
        if status == "PENDING":
            return "theirs", (found[0].attributes or {}).get("progress")
        if status == "ENQUEUED":  # who takes it at this moment is stopped at once
            await self._client.cancel_workflows_async([part_id])
        return "ours", None

    @within(ANSWER_SECONDS)
    async def _unfinished(self, job_id: str) -> list[str]:
        rows: list[WorkflowStatus] = await self._client.list_workflows_async(
            name=PART,
            workflow_id_prefix=_id(job_id, ""),
            status=[*STATUSES["queued"], *STATUSES["running"]],
            load_input=False,
            load_output=False,
        )
        return [row.workflow_id for row in rows]

    @within(ANSWER_SECONDS)
    async def _cancel(self, part_ids: list[str]) -> None:
        if part_ids:
            await self._client.cancel_workflows_async(part_ids)


def _id(job_id: str, key: str) -> str:
    return f"{job_id}-{key}"
