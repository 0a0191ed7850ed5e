"""What workers take from the queue: jobs, and help with jobs that other workers run.

Helpers wait in the jobs' own queue: so only a worker that has nothing else to do becomes one, and
jobs that were posted before come first.
"""

from dbos import EnqueueOptions, WorkflowSerializationFormat

WORKFLOW = QUEUE = "train"
HELP = "help_to_train"

APPLICATION_VERSION = "1"
"""Fixed: DBOS runs a job only on the version that took it, and a release must not strand jobs."""


def entry(workflow: str, workflow_id: str) -> EnqueueOptions:
    """How a job, or a helper of one, is put there."""
    return {
        "workflow_name": workflow,
        "queue_name": QUEUE,
        "workflow_id": workflow_id,
        "app_version": APPLICATION_VERSION,
        "serialization_type": WorkflowSerializationFormat.PORTABLE,  # JSON; never pickle
    }
