"""What the child process of a job, or of a helper, does: the other end of child.py's pipe.

The worker imports this module, too, to name what its children start with; so TensorFlow is
imported below, where the fork server has done so already.
"""

import contextlib
import json
import logging
import math
import os
import signal
import tempfile
import threading
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from models.config import TrainConfig
from service.clock import now
from service.jobs.curves import Losses
from service.jobs.patience import patiently
from service.schemas import Progress
from service.settings import Settings
from service.store.places import places

logger = logging.getLogger(__name__)

REASON_LENGTH = 500

KINDS: dict[type, str] = {Progress: "progress", Losses: "losses"}


def try_out(worker: Connection) -> None:
    """Tells why training is not possible; nothing if it is."""
    from service.jobs import preload

    match preload.fault:
        case None:
            reason = ""
        case ModuleNotFoundError(name=str(name)):
            reason = f"{name} is not installed; `pip install .[train]` brings all that it needs"
        case MemoryError():
            reason = "there is too little memory to import TensorFlow"
        case fault:
            reason = _reason(fault)
    worker.send_bytes(reason.encode(errors="backslashreplace"))


class Worker:
    """The worker, as its child sees it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._answers: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def tell(self, **message: Any) -> None:
        """Sends a message."""
        self._connection.send_bytes(json.dumps(message).encode())

    def ask(self, **message: Any) -> Any:
        """Sends a message; returns the answer."""
        self.tell(**message)
        return self._answers.get()

    def report(self, told: Progress | Losses) -> None:
        """Tells how it goes."""
        self.tell(**{KINDS[type(told)]: told.model_dump()})

    def confirm(self) -> None:
        """Returns at a time at which the job is its worker's."""
        until = -math.inf
        while now() >= until:  # was this process stopped before it read the answer?
            until = self.ask(asks=True)

    def _listen(self) -> None:
        """Hands on what the worker answers; ends this process as soon as its end is closed."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._answers.put(json.loads(self._connection.recv_bytes()))
        os._exit(1)


def main(
    connection: Connection,
    job_id: str,
    config: str,
    table_made_at: str | None,
    helping: tuple[str, str] | None,
    settings: Settings,
) -> None:
    """Runs a job, or helps to: under an id, with what such an offer names."""
    from service.jobs import helper, trainer
    from service.jobs.others import OtherWorkers
    from service.jobs.work import Work

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's affair
    worker = Worker(connection)
    try:
        # By a relative path: TensorFlow would take some signs in an absolute one for a pattern.
        os.chdir(settings.artifacts_dir)
        where = places(Path(), settings.store_url)
        if where.store is not None:
            patiently(where.store.refresh)
        # TensorFlow would remove its temporary files at an exit, which this process does not make.
        attempt = patiently(partial(where.registry.staging.begin, job_id))
        tempfile.tempdir = os.fspath(attempt.folder)
        work = Work(
            job_id,
            TrainConfig.model_validate_json(config),
            where,
            attempt,
            settings.table_memory_bytes,
            worker.report,
            table_made_at,
        )
        results = []
        if helping is not None:
            helper.help_out(work, worker, *helping)
        else:
            others = None
            if settings.shares_jobs:
                staging = where.registry.staging
                others = OtherWorkers(job_id, attempt.folder.name, worker, staging)
            results = trainer.train(work, worker.confirm, others)
    except trainer.Cancelled:
        worker.tell(cancelled=True)
    except Exception as error:
        logger.exception("job %s failed", job_id)
        worker.tell(failed=_reason(error))
    else:
        worker.tell(results=[result.model_dump(mode="json") for result in results])


def _reason(error: Exception) -> str:
    """One line for the person who posted the job."""
    lines = str(error).strip().splitlines()
    reason = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return reason[:REASON_LENGTH]
