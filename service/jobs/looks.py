"""Looks at all rows of a table that is read by row groups, by whoever has time.

The child of a job leaves with the job what is asked, with a name of its own. It and its helpers
claim runs of row groups, and helpers leave what came of them. Which runs there are, and how they
are folded together, follows from the number of row groups alone; so the bits do not depend on
who has helped. What nobody brings, the child computes itself.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import count

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.config import ModelName
from models.folding import folded, runs
from models.least_squares import LeastSquares
from service.jobs.child_main import Worker
from service.jobs.patience import patiently
from service.registry.staging import Staging

logger = logging.getLogger(__name__)

LOOK = "look"
"""Under which name the newest one is left with the job."""

MOST_RUNS = 32

AGAIN_SECONDS = 0.1
"""Between two looks at what others are to leave."""

LONGEST_SECONDS = 1.0
"""A helper with nothing to do looks ever more rarely."""

ALIVE_SECONDS = 3.0
"""Between two questions whether somebody is still at work."""

IDLE_SECONDS = 30.0
"""A helper leaves when nothing was asked for so long: there may be other jobs."""


class Question(msgspec.Struct, frozen=True):
    """What a look is to tell: the triangle of a network with these weights."""

    name: str
    network: ModelName
    weights: bytes
    groups: int
    """Of the rows, as the job's child reads them."""


class Looks:
    """The looks of one network, as its job's child has them done: `models.least_squares.Look`."""

    def __init__(
        self,
        network: ModelName,
        problem: LeastSquares,
        staging: Staging,
        job_id: str,
        attempt: str,
        worker: Worker,
        helpers: "Helpers",
    ) -> None:
        self._network, self._problem = network, problem
        self._staging, self._job_id = staging, job_id
        self._attempt, self._worker = attempt, worker
        self._helpers = helpers
        self._numbers = count(1)
        self._old: list[str] = []

    def __call__(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The triangle over all rows."""
        name = f"{self._attempt}-{self._network}-{next(self._numbers)}"
        groups = len(self._problem.apart)
        question = msgspec.msgpack.encode(Question(name, self._network, weights.tobytes(), groups))
        patiently(partial(self._staging.keep_part, self._job_id, LOOK, question))
        every = runs(groups, MOST_RUNS)
        self._helpers.ask(len(every))
        # Not before: a helper that knows of no newer look could claim a run of it again.
        patiently(partial(self._staging.drop_parts, self._job_id, self._old))
        self._old = [key_of(name, run) for run in every]
        owners: dict[range, str] = {}
        found: dict[range, NDArray[np.float64]] = {}
        for run in every:
            owners[run] = self._owner(key_of(name, run))
            if owners[run] == self._attempt:
                found[run] = self._problem.look_at(weights, run)
        for run in every:
            if run not in found:
                theirs = self._theirs(key_of(name, run), owners[run], len(weights) + 1)
                found[run] = self._problem.look_at(weights, run) if theirs is None else theirs
        self._helpers.came({*owners.values()} - {self._attempt})
        return folded(found[run] for run in every)

    def _owner(self, key: str) -> str:
        return patiently(partial(self._staging.claim_part, self._job_id, key, self._attempt))

    def _theirs(self, key: str, owner: str, width: int) -> NDArray[np.float64] | None:
        """What a helper leaves; None if it does not live to do so."""
        asked = time.monotonic()
        is_at_work = True
        while True:
            if found := patiently(partial(self._staging.part, self._job_id, key)):
                return triangle_of(found, width)
            if not is_at_work:
                return None
            time.sleep(AGAIN_SECONDS)
            if time.monotonic() - asked > ALIVE_SECONDS:
                asked = time.monotonic()
                is_at_work, _ = self._worker.ask(finds=owner)


class Helpers:
    """Those who are asked to look at rows, too."""

    def __init__(self, queue: Callable[[int], None]) -> None:
        """`queue` puts so many of them into the queue."""
        self._queue = queue
        self._came: set[str] = set()
        self._ended: float | None = None

    @property
    def were_asked(self) -> bool:
        """Whether there was anything to look at."""
        return self._ended is not None

    def ask(self, runs: int) -> None:
        """Asks as many as there are runs for; later, when they have left, as many as came."""
        if self._ended is None:
            self._queue(runs - 1)
            self._ended = time.monotonic()
        elif self._came and time.monotonic() - self._ended > IDLE_SECONDS:
            self._queue(len(self._came))
            self._came.clear()

    def came(self, helpers: set[str]) -> None:
        """A look has ended, with which these have helped."""
        self._came |= helpers
        self._ended = time.monotonic()


def key_of(look: str, run: range) -> str:
    """Under which name a run is claimed, and what came of it is left."""
    return f"{look}-{run.start}"


def triangle_of(packed: bytes, width: int) -> NDArray[np.float64]:
    """The triangle that was left."""
    return np.frombuffer(packed).reshape(-1, width)


def help_to_look(
    staging: Staging,
    job_id: str,
    helper: str,
    worker: Worker,
    problem_of: Callable[[ModelName], LeastSquares | None],
) -> None:
    """Looks at what nobody has claimed, look after look, as long as the job asks for it.

    Args:
        problem_of: The least squares of a network; None if all rows are in memory here.
    """
    name, left = "", deque[range]()
    asked = idle = time.monotonic()
    pause = AGAIN_SECONDS
    while content := patiently(partial(staging.part, job_id, LOOK)):
        question = msgspec.msgpack.decode(content, type=Question)
        problem = problem_of(question.network)
        if problem is None or len(problem.apart) != question.groups:
            logger.warning("cannot help with job %s: it has another TABLE_MEMORY_BYTES", job_id)
            return
        if question.name != name:
            name, left = question.name, deque(runs(question.groups, MOST_RUNS))
        if not left:
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_SECONDS)
            if time.monotonic() - asked > ALIVE_SECONDS:
                asked = time.monotonic()
                if asked - idle > IDLE_SECONDS or not worker.ask(finds=job_id)[0]:
                    return
            continue
        run = left.popleft()
        key = key_of(name, run)
        if patiently(partial(staging.claim_part, job_id, key, helper)) == helper:
            triangle = problem.look_at(np.frombuffer(question.weights), run)
            patiently(partial(staging.keep_part, job_id, key, triangle.tobytes()))
        asked, idle, pause = time.monotonic(), time.monotonic(), AGAIN_SECONDS
