"""What workers do, as they tell all who share the artifacts folder.

    .worker-{name}.lock    locked by the worker of that name as long as it lives; says what it does

A lock ends with its process, however that ends: nobody has to tell that a worker has died.
"""

import logging
import os
import time
from contextlib import suppress
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


State = Literal["starting", "ready", "failed", "stopped"]


class Said(Schema):
    """What a worker says of itself."""

    state: State
    reason: str = ""


class WorkerState:
    """The lock of a worker, in its own hands."""

    def __init__(self, artifacts: Path, name: str) -> None:
        """Waits until no other worker of this name runs: the two would take each other's job.

        Raises OSError if the lock cannot be opened, or not be locked.
        """
        path = artifacts / f".worker-{name}.lock"
        self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        attempts = 0
        while not try_lock(self._descriptor):
            attempts += 1
            if attempts == TELLING_ATTEMPTS:
                logger.info("another worker %s runs; this one stands by", name)
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


def why_down(artifacts: Path) -> str | None:
    """Why no job is taken from the queue; None if there is a worker that does."""
    newest, why = 0.0, "no worker has been started: `crosscheck worker` is one"
    for path in artifacts.glob(".worker-*.lock"):
        with suppress(OSError):
            try:
                reason = _why_down(path)
            except PermissionError:
                reason = "cannot be asked: its lock belongs to another user"
            if reason is None:
                return None
            if (written := path.stat().st_mtime) > newest:
                newest, why = written, f"the worker {path.stem.removeprefix('.worker-')} {reason}"
    return why


def _why_down(path: Path) -> str | None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a named pipe would hold us
    try:
        is_held = not try_lock(descriptor, shared=True)
        said = _said(descriptor)
    finally:
        os.close(descriptor)
    match said.state:
        case "failed":
            return f"cannot train: {said.reason}"
        case "stopped":
            return "was stopped"
        case "starting" if is_held:
            return "is starting" + (f": {said.reason}" if said.reason else "")
        case "starting":
            return "died as it started"
        case _:
            return None if is_held else "died"


def _said(descriptor: int) -> Said:
    try:
        return Said.model_validate_json(os.pread(descriptor, SAID_BYTES, 0))
    except ValidationError:
        return Said(state="starting")  # it has not said anything yet, or what nobody understands
