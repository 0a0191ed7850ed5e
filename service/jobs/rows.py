"""The rows that DBOS keeps of jobs, in our words."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from dbos import WorkflowStatus

from models.config import TrainConfig
from models.schema import TRIPLES
from service.schemas import Job, JobStatus, Progress, Result

ENDED: set[JobStatus] = {"succeeded", "failed", "cancelled"}

STATUSES: dict[JobStatus, list[str]] = {
    "queued": ["ENQUEUED", "DELAYED"],
    "running": ["PENDING"],
    "succeeded": ["SUCCESS"],
    "failed": ["ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
    "cancelled": ["CANCELLED"],
}
STATUS_OF = {theirs: ours for ours, all_theirs in STATUSES.items() for theirs in all_theirs}

GIVEN_UP = "given up: the worker died each time that it ran this job"


def job_of(row: WorkflowStatus) -> Job:
    """The job that a row is of."""
    assert row.input is not None
    status = STATUS_OF[row.status]
    known = row.attributes or {}
    progress = known.get("progress") if status != "queued" else None  # else of an earlier attempt
    error = None
    if row.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        error = GIVEN_UP
    elif status == "failed":
        error = str(row.error)
    return Job(
        id=row.workflow_id,
        status=status,
        created_at=_submitted(row),
        started_at=known.get("started_at"),
        finished_at=known.get("finished_at", _time(row.completed_at)) if status in ENDED else None,
        progress=Progress.model_validate(progress) if progress else None,
        results=[Result.model_validate(result) for result in row.output or []],
        error=error,
        config=TrainConfig.model_validate(row.input["args"][0]),
    )


class Ended(NamedTuple):
    """What is counted of a job that has ended."""

    id: str
    status: JobStatus
    ended_at: float
    """In seconds since 1970, by the clock of its worker or of who cancelled it."""
    seconds: float | None
    """What its last attempt took; None where it never began."""
    attempts: int


def ended_of(row: WorkflowStatus) -> Ended:
    """What is counted of the job that a row is of, without its input and output."""
    assert row.completed_at is not None
    ended_at = row.completed_at / 1000
    began = (row.attributes or {}).get("started_at")
    seconds = max(0.0, ended_at - datetime.fromisoformat(began).timestamp()) if began else None
    attempts = row.recovery_attempts or 0
    return Ended(row.workflow_id, STATUS_OF[row.status], ended_at, seconds, attempts)


def dataset_of(row: WorkflowStatus) -> str:
    """The name of the dataset that the job of a row is about."""
    assert row.input is not None
    name: str = row.input["args"][0]["dataset"].get("name", TRIPLES)
    return name


def _submitted(row: WorkflowStatus) -> datetime:
    return datetime.fromisoformat((row.attributes or {})["submitted_at"])


Place = tuple[int, int, str]
"""Where a job stands in the order of all: DBOS's time, ours in microseconds, and its id."""


def place_of(row: WorkflowStatus) -> Place:
    """Where the job stands among all."""
    assert row.created_at is not None
    ours = _submitted(row) - datetime.fromtimestamp(0, UTC)
    return row.created_at, ours // timedelta(microseconds=1), row.workflow_id


CURSOR = "^[1-9][0-9]{0,13}~[0-9]{1,17}~[0-9a-f-]{36}$"
"""What the cursors look like; the latest time is in the year 5138."""


def cursor_at(place: Place) -> str:
    """The place as a client keeps it."""
    return "~".join(map(str, place))


def place_at(cursor: str) -> Place:
    """The place that a cursor names."""
    theirs, ours, job_id = cursor.split("~")
    return int(theirs), int(ours), job_id


def _time(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
