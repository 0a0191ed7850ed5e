"""`/train` and `/jobs`: post a training job, watch it, cancel it."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Header, HTTPException, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from models.config import SyntheticDataset, TrainConfig
from models.schema import DatasetName
from service.api.dependencies import TheJobs, TheSettings
from service.api.json_route import JsonRoute
from service.errors import RETRY_LATER, Invalid, Unavailable
from service.jobs.curves import Curves, curves_of
from service.jobs.rows import CURSOR, ENDED
from service.schemas import Job, Jobs, JobStatus

EVENT_SECONDS = 0.5
"""How often a stream of events looks at its job, if there are few."""

LOOK_SECONDS = 2.0
"""How long it waits for the database."""

LOOKS_PER_SECOND = 40
"""How often all streams together do: the more there are, the more seldom each."""

THE_EXPERIMENT = TrainConfig()

router = APIRouter(tags=["jobs"], route_class=JsonRoute)


@router.post("/train", status_code=202)
async def train(
    request: Request,
    jobs: TheJobs,
    settings: TheSettings,
    response: Response,
    config: Annotated[TrainConfig, Body()] = THE_EXPERIMENT,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> Job:
    """Enqueues a training job. An empty body is the experiment that the service grew from."""
    size = config.dataset.size if isinstance(config.dataset, SyntheticDataset) else 0
    if size > settings.max_dataset_size:
        raise Invalid(f"dataset.size: at most {settings.max_dataset_size} rows are allowed here")
    if config.epochs > settings.max_epochs:
        raise Invalid(f"epochs: at most {settings.max_epochs} are allowed here")
    job = await jobs.submit(config, idempotency_key, request.scope.get("traceparent"))
    response.headers["Location"] = f"{settings.root_path}/jobs/{job.id}"
    return job


@router.get("/jobs")
async def list_jobs(
    jobs: TheJobs,
    status: JobStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(pattern=CURSOR)] = None,
    dataset: DatasetName | None = None,
) -> Jobs:
    """The jobs, newest first; those of one dataset, if asked for.

    Of a dataset with few of many jobs, a page may have fewer than `limit` and yet a next one.
    """
    return await jobs.page(status, limit, cursor, dataset)


async def _job(jobs: TheJobs, job_id: UUID) -> Job:
    return await jobs.get(str(job_id))


TheJob = Annotated[Job, Depends(_job)]
LastEventId = Annotated[str | None, Header()]


def _digest(job: Job) -> str:
    return hashlib.sha256(job.model_dump_json().encode()).hexdigest()[:16]


async def _more_to_tell(job: TheJob, last_event_id: LastEventId = None) -> None:
    """Answers a client that has had the end with 204: only that keeps it from coming back."""
    if job.status in ENDED and last_event_id == _digest(job):
        raise HTTPException(204)


async def _stream(request: Request, settings: TheSettings) -> AsyncIterator[None]:
    """Counts an event stream while it is open."""
    state = request.app.state
    if state.event_streams >= settings.max_event_streams:
        raise Unavailable("too many event streams are open", RETRY_LATER, "event_streams")
    state.event_streams += 1
    try:
        yield
    finally:
        state.event_streams -= 1


@router.get("/jobs/{job_id}")
async def get_job(job: TheJob) -> Job:
    """One job: its status, progress and results."""
    return job


@router.get("/jobs/{job_id}/curves")
async def get_curves(jobs: TheJobs, job: TheJob) -> Curves:
    """The losses of a job's networks: of all starts, while it runs and afterwards.

    They are thinned by the least and the greatest of a few epochs, up to 200 points a curve and
    about 4,000 a job.
    """
    return curves_of(job.id, await jobs.losses(job.id))


@router.post("/jobs/{job_id}/cancel")
async def cancel_job(jobs: TheJobs, job_id: UUID) -> Job:
    """Cancels a job, also one that runs; it publishes nothing."""
    return await jobs.cancel(str(job_id))


@router.get(
    "/jobs/{job_id}/events",
    response_class=EventSourceResponse,
    dependencies=[Depends(_more_to_tell), Depends(_stream)],
    responses={204: {"description": "The job has ended, and the client knows its end."}},
)
async def job_events(
    request: Request,
    jobs: TheJobs,
    job: TheJob,
    last_event_id: LastEventId = None,
) -> AsyncIterator[ServerSentEvent]:
    """The job whenever it changes, as events `progress`, and once more as `end`.

    An event's id is a digest of the job as it was. A client that comes back with the last one is
    told nothing that it knows already, and gets 204 once that is the end. A service that stops
    ends the stream with `stopping`.
    """
    stopping: asyncio.Event = request.app.state.stopping
    told = last_event_id
    while True:
        digest = _digest(job)
        ended = job.status in ENDED
        if digest != told:
            yield ServerSentEvent(id=digest, event="end" if ended else "progress", data=job)
            told = digest
        if ended:
            return
        if stopping.is_set():
            yield ServerSentEvent(event="stopping", retry=1000, data=job)
            return
        pause = max(EVENT_SECONDS, request.app.state.event_streams / LOOKS_PER_SECOND)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), pause)
        # It goes on when the database answers again, and must not miss the stop for that.
        with contextlib.suppress(Unavailable, TimeoutError):
            job = await asyncio.wait_for(jobs.get(job.id), LOOK_SECONDS)
