"""What the worker does where jobs are in SQLite, as it tells all who share the artifacts folder.

    .worker-local.lock    locked by the worker as long as it lives; says what it does

A lock ends with its process, however that ends: nobody has to tell that a worker has died.
"""

import logging
import math
import os
import time
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from service.errors import printable
from service.file_lock import try_lock
from service.schemas import Schema

logger = logging.getLogger(__name__)

LOCK_AGAIN_SECONDS = 0.1
TELLING_ATTEMPTS = 10
"""Before, it may be one that only looks whether the lock is held."""

SAID_BYTES = 1024
"""Each word is as long as any other, so that one write replaces it whole."""

REASON_LENGTH = 200


NAME = "local"
"""SQLite is for one machine, and one worker: after a crash the next goes on with its jobs."""

FILE = f".worker-{NAME}.lock"

NOBODY = "no worker has been started: `crosscheck worker` is one"

State = Literal["starting", "ready", "failed", "stopped", "died"]


class Said(Schema):
    """What a worker says of itself, or another one has found out."""

    state: State
    reason: str = ""


class WorkerState:
    """The lock of the worker, in its own hands."""

    name = NAME

    def __init__(self, artifacts: Path) -> None:
        """Waits until no other worker runs: the two would take each other's job.

        Raises OSError if the lock cannot be opened, or not be locked.
        """
        self._descriptor = os.open(artifacts / FILE, os.O_CREAT | os.O_RDWR, 0o644)
        attempts = 0
        while not try_lock(self._descriptor):
            attempts += 1
            if attempts == TELLING_ATTEMPTS:
                logger.info("another worker %s runs; this one stands by", NAME)
            time.sleep(LOCK_AGAIN_SECONDS)
        if (
            _said(self._descriptor).state != "failed"
        ):  # else that stays the reason, as it tries again
            self.say("starting")

    def say(self, state: State, reason: str = "") -> None:
        """Tells what the worker does from now on."""
        said = Said(state=state, reason=printable(reason, REASON_LENGTH))
        try:
            os.pwrite(self._descriptor, said.model_dump_json().encode().ljust(SAID_BYTES), 0)
        except OSError as error:  # it works all the same
            logger.error("could not tell that the worker is %s: %s", state, error)

    def hold(self) -> float:
        """Until when, by `clock`, the lock is this worker's: its process ends before the lock."""
        return math.inf

    @property
    def is_over(self) -> bool:
        """Whether the lock may be another's."""
        return False


def why_down(artifacts: Path) -> str | None:
    """Why no job is taken from the queue; None if there is a worker that does."""
    try:
        # A named pipe would hold us.
        descriptor = os.open(artifacts / FILE, os.O_RDONLY | os.O_NONBLOCK)
    except PermissionError:
        return f"the worker {NAME} cannot be asked: its lock belongs to another user"
    except OSError:
        return NOBODY
    try:
        is_held = not try_lock(descriptor, shared=True)
        return why(NAME, _said(descriptor), is_held)
    except OSError:
        return NOBODY
    finally:
        os.close(descriptor)


def why(name: str, said: Said, lives: bool) -> str | None:
    """Why a worker takes no job, by what it has said last; None if it does."""
    match said.state:
        case "failed":
            reason = f"cannot train: {said.reason}"
        case "stopped":
            reason = "was stopped"
        case "starting" if lives:
            reason = "is starting" + (f": {said.reason}" if said.reason else "")
        case "starting":
            reason = "died as it started"
        case "ready" if lives:
            return None
        case _:
            reason = "died"
    return f"the worker {name} {reason}"


def _said(descriptor: int) -> Said:
    try:
        return Said.model_validate_json(os.pread(descriptor, SAID_BYTES, 0))
    except ValidationError:
        return Said(state="starting")  # it has not said anything yet, or what nobody understands
