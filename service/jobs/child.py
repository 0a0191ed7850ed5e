"""The child process of a job, seen from both ends of the pipe between it and the worker.

The child sends JSON messages with one member each: `progress` and `losses` any number of times,
`asks` when it is about to decide to publish, then one of `results`, `failed` and `cancelled`. The
worker sends, for each `asks`, the time by `clock` until which the job is its own. The pipe's
closing tells the child that the worker is gone.
"""

import asyncio
import contextlib
import gc
import json
import logging
import math
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from models.config import TrainConfig
from service.errors import Unavailable
from service.jobs.clock import now
from service.jobs.curves import Losses
from service.registry.staging import CANCELLED, Staging
from service.schemas import Progress
from service.settings import Settings
from service.store.places import places

logger = logging.getLogger(__name__)

OnNews = Callable[[str, Any], None]
"""Called with `progress` or `losses`, and what the child tells of them."""

Hold = Callable[[], float]
"""Returns until when, by `clock`, this worker's jobs are its own, once that is sure."""

REASON_LENGTH = 500

START_ATTEMPTS = 20
START_AGAIN_SECONDS = 0.1
PUBLISH_AGAIN_SECONDS = 0.5

KINDS: dict[type, str] = {Progress: "progress", Losses: "losses"}

WORKER = "_CROSSCHECK_WORKER"
"""The variable that tells the fork server the process id of its worker."""

_processes = multiprocessing.get_context("forkserver")
_ending = threading.Event()


class CannotTrain(Exception):
    """Nothing can be trained here; the text is for the operator."""


class JobFailed(Exception):
    """A job's training failed; the text is for the person who posted it."""


class JobCancelled(Exception):
    """A job was cancelled before it published."""


def start_fork_server() -> None:
    """Starts the process that imports TensorFlow once; returns when children start at once.

    Raises:
        CannotTrain: No child can train, now or later.
    """
    os.environ.update({WORKER: str(os.getpid())})
    _processes.set_forkserver_preload(["service.jobs.fork_server", "service.jobs.preload"])
    ours, theirs = _processes.Pipe()
    attempt = _processes.Process(target=_try_out, args=(theirs,), daemon=True)
    try:
        attempt.start()
        theirs.close()
        reason = ours.recv_bytes().decode()
    except (EOFError, OSError):
        reason = "the process that imports TensorFlow was killed, or has too little memory"
    if reason:
        raise CannotTrain(reason)
    attempt.join()


def _try_out(worker: Connection) -> None:
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


async def run(
    job_id: str, config: TrainConfig, settings: Settings, on_news: OnNews, hold: Hold
) -> list[dict[str, Any]]:
    """Runs a job in a fresh child; returns its results. The child ends when this call does.

    A child that fails or dies while it publishes leaves to another one what it has not done, for
    then the job can no longer fail: one of its versions may be there already.

    Raises:
        JobFailed: The training failed, or the child was killed.
        JobCancelled: The child found the job cancelled when it was about to publish.
    """
    staging = places(settings.artifacts_dir, settings.store_url).registry.staging
    while True:
        try:
            return await _run_once(job_id, config, settings, on_news, hold)
        except JobFailed as failure:
            if not await _is_to_publish(staging, job_id):
                raise
            logger.error("another child goes on to publish job %s: %s", job_id, failure)
            await asyncio.sleep(PUBLISH_AGAIN_SECONDS)


def end_all() -> None:
    """Kills all children, for a process that ends next: until then no job of theirs fails."""
    _ending.set()
    for process in multiprocessing.active_children():
        process.kill()


async def _is_to_publish(staging: Staging, job_id: str) -> bool:
    """Whether a job is decided to publish; who cannot tell now will later."""
    while True:
        try:
            return await asyncio.to_thread(staging.decision, job_id) not in (None, CANCELLED)
        except Unavailable:
            await asyncio.sleep(PUBLISH_AGAIN_SECONDS)


async def _run_once(
    job_id: str, config: TrainConfig, settings: Settings, on_news: OnNews, hold: Hold
) -> list[dict[str, Any]]:
    ours, child = await _start(job_id, config, settings)
    try:
        while True:
            ((kind, told),) = json.loads(await asyncio.to_thread(ours.recv_bytes)).items()
            if kind in ("progress", "losses"):
                on_news(kind, told)
            elif kind == "asks":
                ours.send_bytes(json.dumps(await asyncio.to_thread(hold)).encode())
            elif kind == "results":
                return list(told)
            elif kind == "failed":
                raise JobFailed(told)
            else:
                raise JobCancelled
    except (EOFError, ConnectionError):
        if _ending.is_set():
            await asyncio.Event().wait()
        await asyncio.to_thread(child.join, 1)
        raise JobFailed(f"the training process {_end_of(child.exitcode)}") from None
    finally:
        child.kill()
        child.join()
        ours.close()


async def _start(
    job_id: str, config: TrainConfig, settings: Settings
) -> tuple[Connection, multiprocessing.context.ForkServerProcess]:
    for _ in range(START_ATTEMPTS):
        try:
            return _start_once(job_id, config, settings)
        except (EOFError, OSError) as error:
            logger.error("could not start a training process: %r", error)
            # Was the fork server killed? As long as the kernel takes it apart, it answers nobody
            # and is not dead either; only then does the next attempt start another one.
            await asyncio.sleep(START_AGAIN_SECONDS)
    raise JobFailed("no training process could be started")


def _start_once(
    job_id: str, config: TrainConfig, settings: Settings
) -> tuple[Connection, multiprocessing.context.ForkServerProcess]:
    ours, theirs = _processes.Pipe()
    arguments = (theirs, job_id, config.model_dump_json(), settings)
    child = _processes.Process(target=_main, args=arguments, daemon=True)
    try:
        child.start()
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return ours, child


def _end_of(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        return f"was killed by {name}: by hand, or because memory ran out"
    return "ended before its work was done"


def _main(worker: Connection, job_id: str, config: str, settings: Settings) -> None:
    """What the child does."""
    # Imported by the fork server already; the worker itself never imports TensorFlow.
    from service.jobs import trainer
    from service.jobs.patience import patiently

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's affair
    gc.freeze()  # or each collection walks all of TensorFlow: a quarter of a short job
    answers: SimpleQueue[float] = SimpleQueue()
    threading.Thread(target=_listen, args=(worker, answers), daemon=True).start()

    def send(**message: Any) -> None:
        worker.send_bytes(json.dumps(message).encode())

    def confirm() -> None:
        """Returns at a time at which the job is its worker's."""
        until = -math.inf
        while now() >= until:  # was this process stopped before it read the answer?
            send(asks=True)
            until = answers.get()

    try:
        # By a relative path: TensorFlow would take some signs in an absolute one for a pattern.
        os.chdir(settings.artifacts_dir)
        parsed = TrainConfig.model_validate_json(config)
        where = places(Path(), settings.store_url)
        if where.store is not None:
            patiently(where.store.refresh)
        # TensorFlow would remove its temporary files at an exit, which this process does not make.
        attempt = where.registry.staging.begin(job_id)
        tempfile.tempdir = os.fspath(attempt.folder)
        results = trainer.train(
            job_id,
            parsed,
            where,
            attempt,
            settings.table_memory_bytes,
            lambda told: send(**{KINDS[type(told)]: told.model_dump()}),
            confirm,
        )
    except trainer.Cancelled:
        send(cancelled=True)
    except Exception as error:
        logger.exception("job %s failed", job_id)
        send(failed=_reason(error))
    else:
        send(results=[result.model_dump(mode="json") for result in results])


def _listen(worker: Connection, answers: SimpleQueue[float]) -> None:
    """Hands on what the worker answers; ends this process as soon as its end is closed."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            answers.put(json.loads(worker.recv_bytes()))
    os._exit(1)


def _reason(error: Exception) -> str:
    """One line for the person who posted the job."""
    lines = str(error).strip().splitlines()
    reason = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return reason[:REASON_LENGTH]
