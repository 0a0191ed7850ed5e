"""What workers take from the queue: jobs, and help with jobs that other workers run.

Helpers wait in the jobs' own queue: so only a worker that has nothing else to do becomes one, and
jobs that were posted before come first.
"""

from dbos import EnqueueOptions, WorkflowSerializationFormat
from sqlalchemy import BigInteger, Column, MetaData, Table, bindparam, cast, extract, func, update

WORKFLOW = QUEUE = "train"
HELP = "help_to_train"

APPLICATION_VERSION = "1"
"""Fixed: DBOS runs a job only on the version that took it, and a release must not strand jobs."""

ROWS = Table(
    "workflow_status",
    MetaData(schema="dbos"),
    Column("workflow_uuid"),
    Column("status"),
    Column("executor_id"),
    Column("owner_xid"),
    Column("recovery_attempts"),
    Column("started_at_epoch_ms"),
    Column("updated_at"),
)
"""DBOS's table of jobs and helpers, as far as we write to it."""

PUT_BACK = (
    update(ROWS)
    .where(
        ROWS.c.status == "PENDING",
        ROWS.c.executor_id == bindparam("name"),
        ROWS.c.workflow_uuid.in_(bindparam("job_ids", expanding=True)),
    )
    .values(
        status="ENQUEUED",
        owner_xid=None,
        started_at_epoch_ms=None,
        updated_at=cast(extract("epoch", func.now()) * 1000, BigInteger),
    )
)
"""What DBOS does at a worker's start for those of its own name; attempts are counted when taken.

It looks and writes at once: between the two, a job may be cancelled, or taken by another.
"""


def entry(workflow: str, workflow_id: str) -> EnqueueOptions:
    """How a job, or a helper of one, is put there."""
    return {
        "workflow_name": workflow,
        "queue_name": QUEUE,
        "workflow_id": workflow_id,
        "app_version": APPLICATION_VERSION,
        "serialization_type": WorkflowSerializationFormat.PORTABLE,  # JSON; never pickle
    }
