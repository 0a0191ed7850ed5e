"""Counts the requests of one API process, off their path, and tells the others in its slot."""

import asyncio
import logging
import os
import time
import weakref
from collections import defaultdict, deque
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from typing import get_args

import msgspec

from service.access_log import KEPT_LINES, Answerer, Ended
from service.errors import Reason
from service.jobs.rows import ENDED
from service.predict.canary import TrialAnswer
from service.telemetry import slots, trials
from service.telemetry.routes import KEPT_PATHS, OTHER
from service.telemetry.tally import (
    JOB_ATTEMPTS,
    JOBS_ENDED,
    LATENCY,
    REFUSALS,
    REQUESTS,
    ROWS,
    Key,
    Tally,
)

logger = logging.getLogger(__name__)

COUNT_SECONDS = 0.05

TELL_SECONDS = 0.5
"""How much of its counts a process that is killed takes with it at most."""

SILENT_SECONDS = 10.0
"""Who has not told anything for so long does not run."""

KEPT_VERSIONS = 10
"""How many versions of a network are counted apart. Beyond, the oldest is no longer told of."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})

REASONS: dict[int, Reason] = {
    HTTPStatus.BAD_REQUEST: "bad_request",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_TIMEOUT: "too_slow",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "headers_too_large",
    HTTPStatus.NOT_IMPLEMENTED: "not_implemented",
}
"""Of refusals that are none of ours; `/readyz` says 503 and refuses nothing."""


class Told(msgspec.Struct):
    """What an API process tells of itself in its slot."""

    since: float
    """When the first process of this slot was started."""
    at: float = 0
    """When it was told, by the clock that all processes of a machine share."""
    tally: Tally = msgspec.field(default_factory=Tally)
    event_streams: int = 0
    jobs_seen: dict[str, float] = {}
    """The jobs that ended last and are counted, and when they ended."""


_decode = msgspec.msgpack.Decoder(Told).decode


def _begin() -> Told:
    """Nothing, and that there is nothing of what alerts are for: else the first goes unnoticed."""
    told = Told(since=time.time())
    for reason in get_args(Reason):
        told.tally.add((REFUSALS, reason), 0)
    for status in ENDED:
        told.tally.add((JOBS_ENDED, status), 0)
        told.tally.add((JOB_ATTEMPTS, status), 0)
    return told


class Counting:
    """What this process counts, and what the others have told."""

    def __init__(
        self,
        given: slots.Given | None,
        template_at: Callable[[str], str],
        event_streams: Callable[[], int],
        most_datasets: int,
    ) -> None:
        """
        Args:
            given: The slots of all API processes; None if there is this one alone.
            event_streams: How many are open in this process.
            most_datasets: How many are counted apart.
        """
        self.noted: deque[Ended] = deque(maxlen=KEPT_LINES)
        """Requests that have ended and are not counted yet."""
        self.tried: deque[TrialAnswer] = deque(maxlen=KEPT_LINES)
        """What was answered while a version is tried, and is not counted yet."""
        if given is None:
            given = slots.alone()
            weakref.finalize(self, os.close, given.own)
        self.is_first = given.own == given.all[0]
        self._others = [each for each in given.all if each != given.own]
        self._slot = slots.Writer(given.own)
        self.told = _decode(self._slot.found) if self._slot.found else _begin()
        self._event_streams = event_streams
        self._most_datasets = most_datasets
        self._datasets = {key[1] for key in self.told.tally.counts if key[0] == ROWS}
        self._is_short = False

        @lru_cache(KEPT_PATHS)
        def keys(method: str, path: str, status: int) -> tuple[Key, Key]:
            route, method = template_at(path), method if method in METHODS else OTHER
            return (REQUESTS, route, method, str(status)), (LATENCY, route, method)

        self._keys = keys

    def count(self) -> None:
        """Counts what has been noted, all alike at once: to count is felt, too."""
        alike = defaultdict[tuple[str, str, int], list[Ended]](list)
        for _ in range(len(self.noted)):
            ended = self.noted.popleft()
            alike[ended[:3]].append(ended)
        tally = self.told.tally
        for request, all_ended in alike.items():
            counted, timed = self._keys(*request)
            tally.add(counted, len(all_ended))
            tally.observe(timed, [ended[3] for ended in all_ended])
            self._count_rows_and_refusals(all_ended)
        if self.tried:
            answers = [self.tried.popleft() for _ in range(len(self.tried))]
            trials.count(tally, answers, self._most_datasets)

    def _count_rows_and_refusals(self, all_ended: list[Ended]) -> None:
        tally = self.told.tally
        predicted: dict[Answerer, int] = {}
        for _, _, status, _, reason, answerer, rows in all_ended:
            if answerer is not None:
                predicted[answerer] = predicted.get(answerer, 0) + rows
            elif reason := reason or REASONS.get(status):
                tally.add((REFUSALS, reason))
        for answerer, rows in predicted.items():
            key: Key = (ROWS, *answerer)
            tally.add(key if key in tally.counts else self._begin_with(answerer), rows)

    def _begin_with(self, answerer: Answerer) -> Key:
        """What a version's rows are counted as, now that there are some of it."""
        dataset, network, version = answerer
        if dataset not in self._datasets and len(self._datasets) >= self._most_datasets:
            dataset = network = version = OTHER
        self._datasets.add(dataset)
        counts = self.told.tally.counts
        versions = [key for key in counts if key[:3] == (ROWS, dataset, network)]
        if len(versions) >= KEPT_VERSIONS:
            del counts[versions[0]]
        rows = (ROWS, dataset, network, version)
        counts.setdefault(rows, 0)
        return rows

    def tell(self) -> None:
        """Writes to the slot what has been counted."""
        self.told.at = time.monotonic()
        self.told.event_streams = self._event_streams()
        try:
            self._slot.write(msgspec.msgpack.encode(self.told))
            self._is_short = False
        except OSError as error:
            if not self._is_short:
                logger.error("the metrics of this process are not told: %s", error)
            self._is_short = True

    def all(self) -> list[Told]:
        """What this process and all others have told, this one only just now.

        What is not told is not shown either: what is shown must still be there when this process
        is not.
        """
        self.count()
        self.tell()
        others = [_decode(found) for slot in self._others if (found := slots.read(slot))]
        return [self.told, *others]

    async def keep_counting(self) -> None:
        """Counts until cancelled."""
        while True:
            self.count()
            if time.monotonic() - self.told.at >= TELL_SECONDS:
                self.tell()
            await asyncio.sleep(COUNT_SECONDS)


def runs(told: Told) -> bool:
    """Whether the process that told this still runs."""
    return time.monotonic() - told.at < SILENT_SECONDS
