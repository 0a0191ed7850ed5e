"""The worker: takes jobs from the queue, as many at a time as it has slots, while it lives."""

import asyncio
import logging
import os
import signal
import threading

from dbos import DBOS

from service.jobs import child, database, rescue, temporary_folder, workflows
from service.jobs.lease import Lease
from service.jobs.queue import QUEUE
from service.jobs.store import JobStore
from service.jobs.worker_state import FILE, WorkerState
from service.settings import Settings
from service.tracing import begin as tracing_of

logger = logging.getLogger(__name__)

PUT_BACK_SECONDS = 2.5

LIFE_SECONDS = 0.2
"""How often to look whether the lease is over. After this process was stopped, it is at once."""


def work(settings: Settings) -> None:
    """Runs jobs until the process is told to stop. Raises CannotTrain if it never could.

    A job that is running then is queued again. After a crash it runs again: with SQLite at the next
    start, for DBOS has recorded whose it is; with Postgres as soon as another worker takes notice.
    """
    running: set[str] = set()
    life = _begin(settings, running)
    folder = settings.artifacts_dir / temporary_folder.NAME.format(life.name)
    try:
        temporary_folder.prepare(folder)
        child.start_fork_server(settings.slots)
    except (OSError, child.CannotTrain) as error:
        life.say("failed", str(error))
        raise child.CannotTrain(str(error)) from None
    life.say("starting", "it waits for the job database")
    asyncio.run(database.prepare(settings))
    store = JobStore(settings)
    asyncio.run(workflows.tidy_up(store))
    tracing = tracing_of(settings)
    workflows.register(settings, store, life, running, tracing)
    DBOS.launch()
    life.say("ready")
    logger.info("worker %s is ready", life.name)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(LIFE_SECONDS):
        if life.is_over:
            child.end_all()
            logger.error("worker %s ends: others may take it for dead", life.name)
            os._exit(1)
    child.end_all()
    life.say("stopped")
    # Apart, for a database that hangs would hold it.
    putting_back = threading.Thread(
        target=_put_back, args=(store, life.name, list(running)), daemon=True
    )
    putting_back.start()
    putting_back.join(PUT_BACK_SECONDS)
    temporary_folder.tidy_up(folder)
    if tracing:
        tracing.close()
    os._exit(0)  # at once


def _begin(settings: Settings, running: set[str]) -> Lease | WorkerState:
    if not settings.database_url:
        try:
            return WorkerState(settings.artifacts_dir)
        except OSError as error:  # it belongs to another user, or the file system knows no locks
            raise child.CannotTrain(f"{FILE} cannot be used: {error.strerror}") from None
    asyncio.run(database.prepare(settings))
    engine = database.engine(settings)
    life = Lease(engine)
    rescuing = (engine, life.name, QUEUE, running, settings.artifacts_dir)
    threading.Thread(target=rescue.keep_rescuing, args=rescuing, daemon=True).start()
    return life


def _put_back(store: JobStore, worker: str, running: list[str]) -> None:
    for job_id in running:
        try:
            asyncio.run(store.put_back(job_id, worker))
        except Exception:
            logger.exception("could not queue job %s again; it runs at the next start", job_id)
