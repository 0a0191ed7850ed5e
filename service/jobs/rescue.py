"""What living workers do for dead ones, where jobs are in Postgres: their jobs are queued again.

A worker is dead when its lock is free. Who judges holds that lock meanwhile, so that one that has
only lost its session either takes it again first, or finds that it has died.
"""

import logging
import shutil
import time
from collections.abc import Set
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from service.jobs.lease import OVER_SECONDS, in_short
from service.jobs.queue import PUT_BACK
from service.jobs.temporary_folder import NAME
from service.jobs.workers import KEY

logger = logging.getLogger(__name__)

LOOK_SECONDS = 4.0
"""With the 15 s of a lease, a job runs elsewhere within 20 s."""

OTHERS = text("""
    SELECT executor_id FROM dbos.workflow_status
    WHERE status = 'PENDING' AND queue_name = :queue AND executor_id <> :own
    UNION
    SELECT name FROM crosscheck.workers WHERE state IN ('starting', 'ready') AND name <> :own
""")

HAS_SETTLED = text("""
    SELECT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND usename = current_user
            AND backend_start < now() - make_interval(secs => :seconds)
    )
""")
"""Whether a session of ours is that old. There is none after a start, a crash (which leaves the
time of the start as it was), or a change of the primary."""

LOCK = text(f"SELECT pg_try_advisory_xact_lock({KEY})")

OF = text("""
    SELECT workflow_uuid FROM dbos.workflow_status
    WHERE status = 'PENDING' AND queue_name = :queue AND executor_id = :name
""")

BURY = text("""
    UPDATE crosscheck.workers SET state = 'died', said_at = now()
    WHERE name = :name AND state IN ('starting', 'ready')
""")

FORGET = text("""
    DELETE FROM crosscheck.workers
    WHERE state NOT IN ('starting', 'ready') AND said_at < now() - interval '1 hour'
""")
"""Until then it is known why a worker is gone."""

LIVING = text("SELECT name FROM crosscheck.workers WHERE state IN ('starting', 'ready')")


def keep_rescuing(engine: Engine, own: str, queue: str, running: Set[str], artifacts: Path) -> None:
    """Looks for dead workers, for ever.

    Args:
        own: The name of the worker that looks.
        running: The jobs that it runs now.
    """
    strays: set[str] = set()
    while True:
        try:
            rescue(engine, own, queue)
            strays = put_back_strays(engine, own, queue, running, strays)
            sweep(engine, own, artifacts)
        except SQLAlchemyError as error:
            logger.warning("could not look for workers that have died: %s", in_short(error))
        except Exception:
            logger.exception("could not look for workers that have died")
        time.sleep(LOOK_SECONDS)


def rescue(engine: Engine, own: str, queue: str, spared_seconds: float = OVER_SECONDS) -> None:
    """Queues the jobs of dead workers again.

    Args:
        spared_seconds: For so long after all sessions have ended nobody is judged: all had lost
            their locks, and those who live take them again, or end.
    """
    with engine.begin() as connection:
        names = connection.scalars(OTHERS, {"own": own, "queue": queue}).all()
        connection.execute(FORGET)
    for name in names:
        with engine.begin() as connection:
            settled = connection.scalar(HAS_SETTLED, {"seconds": spared_seconds})
            if settled and connection.scalar(LOCK, {"name": name}):
                job_ids = connection.scalars(OF, {"name": name, "queue": queue}).all()
                for job_id in job_ids:
                    logger.warning("worker %s has died; job %s is queued again", name, job_id)
                connection.execute(PUT_BACK, {"name": name, "job_ids": job_ids})
                connection.execute(BURY, {"name": name})


def put_back_strays(
    engine: Engine, own: str, queue: str, running: Set[str], before: set[str]
) -> set[str]:
    """Queues jobs again that this worker has taken without coming to know it.

    DBOS does not run what it took from the queue if the database was lost before it said so.

    Args:
        before: What the last look returned.

    Returns:
        What looks like it now: a job that is on its way to `running` does for a moment.
    """
    with engine.begin() as connection:
        strays = {*connection.scalars(OF, {"name": own, "queue": queue})} - running
        if job_ids := sorted(strays & before):
            logger.warning("jobs that were lost on their way are queued again: %s", job_ids)
            connection.execute(PUT_BACK, {"name": own, "job_ids": job_ids})
    return strays


def sweep(engine: Engine, own: str, artifacts: Path) -> None:
    """Removes the folders for temporary files that dead workers have left here."""
    left = set(artifacts.glob(NAME.format("*")))
    left.discard(artifacts / NAME.format(own))
    if left:
        with engine.connect() as connection:
            left -= {artifacts / NAME.format(name) for name in connection.scalars(LIVING)}
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)
