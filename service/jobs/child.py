"""The child process of a job, or of a helper, as the worker sees it; see child_main.py.

The child sends JSON messages with one member each: `progress` and `losses` any number of times,
`asks` when it is about to decide to publish, then one of `results`, `failed` and `cancelled`. The
worker sends, for each `asks`, the time by `clock` until which the job is its own. When the child
`offers` parts of its job to helpers, the worker queues these; when it `finds` one, the worker sends
whether that is at work, and its progress. The pipe's closing tells the child that the worker is
gone.
"""

import asyncio
import json
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from models.config import TrainConfig
from service.errors import Unavailable
from service.jobs import child_main
from service.jobs.parts import Parts
from service.registry.staging import CANCELLED, Staging
from service.settings import Settings
from service.store.places import places

logger = logging.getLogger(__name__)

OnNews = Callable[[str, Any], None]
"""Called with `progress` or `losses`, and what the child tells of them."""

Hold = Callable[[], float]
"""Returns until when, by `clock`, this worker's jobs are its own, once that is sure."""

START_ATTEMPTS = 20
START_AGAIN_SECONDS = 0.1
PUBLISH_AGAIN_SECONDS = 0.5

WORKER = "_CROSSCHECK_WORKER"
"""The variable that tells the fork server the process id of its worker."""

SLOTS = "_CROSSCHECK_SLOTS"
"""The one that tells how many children there are at once."""

_processes = multiprocessing.get_context("forkserver")
_ending = threading.Event()


class CannotTrain(Exception):
    """Nothing can be trained here; the text is for the operator."""


class JobFailed(Exception):
    """A job's training failed; the text is for the person who posted it."""


class JobCancelled(Exception):
    """A job was cancelled before it published."""


def start_fork_server(slots: int) -> None:
    """Starts the process that imports TensorFlow once; returns when children start at once.

    Args:
        slots: How many children share the processors.

    Raises:
        CannotTrain: No child can train, now or later.
    """
    os.environ.update({WORKER: str(os.getpid()), SLOTS: str(slots)})
    _processes.set_forkserver_preload(["service.jobs.fork_server", "service.jobs.preload"])
    ours, theirs = _processes.Pipe()
    attempt = _processes.Process(target=child_main.try_out, args=(theirs,), daemon=True)
    try:
        attempt.start()
        theirs.close()
        reason = ours.recv_bytes().decode()
    except (EOFError, OSError):
        reason = "the process that imports TensorFlow was killed, or has too little memory"
    if reason:
        raise CannotTrain(reason)
    attempt.join()


class Help(NamedTuple):
    """What a child may train of a job that another one runs."""

    helper: str
    """The id under which it claims parts."""
    offer: str
    """Under which name it is left with the job which parts there are."""


class Work(NamedTuple):
    """What a child is to do, and where it turns to."""

    job_id: str
    config: TrainConfig
    settings: Settings
    on_news: OnNews
    hold: Hold
    parts: Parts
    help: Help | None = None
    """None: to run the whole job."""
    table_made_at: str | None = None
    """When the table came that the job was posted for, if that is known."""


async def run(work: Work) -> list[dict[str, Any]]:
    """Runs a job in a fresh child; returns its results. The child ends when this call does.

    A child that fails or dies while it publishes leaves to another one what it has not done, for
    then the job can no longer fail: one of its versions may be there already.

    Raises:
        JobFailed: The training failed, or the child was killed.
        JobCancelled: The child found the job cancelled when it was about to publish.
    """
    staging = places(work.settings.artifacts_dir, work.settings.store_url).registry.staging
    while True:
        try:
            return await run_once(work)
        except JobFailed as failure:
            if not await is_to_publish(staging, work.job_id):
                raise
            logger.error("another child goes on to publish job %s: %s", work.job_id, failure)
            await asyncio.sleep(PUBLISH_AGAIN_SECONDS)


def end_all() -> None:
    """Kills all children, for a process that ends next: until then no job of theirs fails."""
    _ending.set()
    for process in multiprocessing.active_children():
        process.kill()


async def is_to_publish(staging: Staging, job_id: str) -> bool:
    """Whether a job is decided to publish; who cannot tell now will later."""
    while True:
        try:
            return await asyncio.to_thread(staging.decision, job_id) not in (None, CANCELLED)
        except Unavailable:
            await asyncio.sleep(PUBLISH_AGAIN_SECONDS)


async def run_once(work: Work) -> list[dict[str, Any]]:
    """Runs a job, or helps to, in one child.

    Raises:
        JobFailed, JobCancelled: As `run`.
    """
    ours, child = await _start(work)
    parts, job_id = work.parts, work.job_id
    try:
        while True:
            ((kind, told),) = json.loads(await asyncio.to_thread(ours.recv_bytes)).items()
            if kind in ("progress", "losses"):
                work.on_news(kind, told)
            elif kind == "asks":
                _answer(ours, await asyncio.to_thread(work.hold))
            elif kind == "offers":
                await parts.offer(job_id, work.config, *told)
            elif kind == "finds":
                _answer(ours, await parts.find(told))
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


def _answer(child: Connection, answer: Any) -> None:
    child.send_bytes(json.dumps(answer).encode())


async def _start(work: Work) -> tuple[Connection, multiprocessing.context.ForkServerProcess]:
    for _ in range(START_ATTEMPTS):
        try:
            return _start_once(work)
        except (EOFError, OSError) as error:
            logger.error("could not start a training process: %r", error)
            # Was the fork server killed? As long as the kernel takes it apart, it answers nobody
            # and is not dead either; only then does the next attempt start another one.
            await asyncio.sleep(START_AGAIN_SECONDS)
    raise JobFailed("no training process could be started")


def _start_once(work: Work) -> tuple[Connection, multiprocessing.context.ForkServerProcess]:
    ours, theirs = _processes.Pipe()
    job = (work.job_id, work.config.model_dump_json(), work.table_made_at)
    arguments = (theirs, *job, work.help, work.settings)
    child = _processes.Process(target=child_main.main, args=arguments, daemon=True)
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
