"""Counts the jobs that end. One API process does, for all: the first one."""

import asyncio
import logging

from service.errors import Unavailable
from service.jobs.rows import Ended
from service.jobs.store import JobStore
from service.telemetry.counting import Told
from service.telemetry.tally import JOB_ATTEMPTS, JOB_DURATION, JOBS_ENDED

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0

OVERLAP_SECONDS = 60.0
"""How far back each look goes: who writes the time of an end may have another clock."""


async def keep_counting(told: Told, jobs: JobStore) -> None:
    """Counts each job that ends, once, until cancelled; while the database is away, later."""
    while True:
        try:
            count(told, await jobs.ended_after(begin(told)))
        except Unavailable:
            pass
        except Exception:
            logger.exception("could not count the jobs that have ended")
        await asyncio.sleep(LOOK_SECONDS)


def begin(told: Told) -> float:
    """From when on jobs may have ended that are not counted."""
    latest = max(told.jobs_seen.values(), default=told.since)
    return max(told.since, latest - OVERLAP_SECONDS)


def count(told: Told, ended: list[Ended]) -> None:
    """Counts those of the jobs that are not counted yet."""
    for job in ended:
        if job.id in told.jobs_seen:
            continue
        told.jobs_seen[job.id] = job.ended_at
        told.tally.add((JOBS_ENDED, job.status))
        told.tally.add((JOB_ATTEMPTS, job.status), job.attempts)
        if job.seconds is not None:
            told.tally.observe((JOB_DURATION, job.status), [job.seconds])
    earliest = begin(told)
    told.jobs_seen = {job: at for job, at in told.jobs_seen.items() if at >= earliest}
