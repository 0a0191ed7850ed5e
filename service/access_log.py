"""An id for each request, one line of JSON about how it ended, and what there is to count of it.

Lines are written some times a second, all that have come together at once: to write one costs
more than to make a prediction.
"""

import asyncio
import itertools
import json
import logging
import re
import secrets
import sys
import time
from collections import deque
from typing import Any

import orjson
from anyio import to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

WRITE_SECONDS = 0.05
PATH_LENGTH = 1000
KEPT_LINES = 100_000
"""Lines that wait to be written; beyond, the oldest are lost rather than the memory."""

logger = logging.getLogger(__name__)

_PROCESS = secrets.token_hex(6).encode()
_requests = itertools.count(1)
_is_harmless = re.compile(rb"[A-Za-z0-9._~-]{1,128}").fullmatch


Answerer = tuple[str, str, str]
"""A version that predicts: its dataset, its network and its number."""

# Time, id, client, name of the key, method, path, status, seconds.
Line = tuple[float, bytes, Any, str | None, str, str, int, float]

# Method, path and status; seconds, why it was refused, who has predicted, and how many rows.
Ended = tuple[str, str, int, float, str | None, Answerer | None, int]


class AccessLog:
    """Wraps an application: echoes or makes `X-Request-Id`, and notes each request."""

    def __init__(self, enabled: bool, noted: deque[Ended] | None = None) -> None:
        """
        Args:
            noted: Where others find each request that has ended, also if the log is turned off.
        """
        self.enabled = enabled
        self.lines: deque[Line] = deque(maxlen=KEPT_LINES)
        self.noted = deque[Ended](maxlen=0) if noted is None else noted

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        identity = request_id(dict(scope["headers"]).get(b"x-request-id"))
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", identity)]
            await send(message)

        try:
            await app(scope, receive, send_with_id)
        finally:
            self.note(scope, identity, status, started)

    def note(
        self,
        scope: Scope,
        identity: bytes,
        status: int,
        started: float,
        answerer: Answerer | None = None,
        rows: int = 0,
    ) -> None:
        """Notes a request that has ended and that `perf_counter` saw start."""
        if "answered" in scope:  # by another, who has noted it
            return
        seconds = time.perf_counter() - started
        method, path = scope["method"], scope["path"][:PATH_LENGTH]
        self.noted.append((method, path, status, seconds, scope.get("reason"), answerer, rows))
        if self.enabled:
            client, key = scope["client"], scope.get("key")
            self.lines.append((time.time(), identity, client, key, method, path, status, seconds))

    def take(self) -> bytes:
        """The lines that have come together since the last time."""
        lines = [_json(self.lines.popleft()) for _ in range(len(self.lines))]
        return b"".join(lines)

    async def keep_writing(self) -> None:
        """Writes until cancelled."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            if lines := self.take():
                # Only what may block goes to a thread: one that computes would hold up the loop.
                await to_thread.run_sync(write, lines)


def write(lines: bytes) -> None:
    """Writes to the standard output; what it does not take is lost, and that is said."""
    try:
        sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()
    except OSError as error:
        logger.error("%d bytes of the access log are lost: %s", len(lines), error)


def _json(line: Line) -> bytes:
    """One line; JSON escapes whatever a client could forge another one with."""
    at, request_id, client, key, method, path, status, seconds = line
    entry = {
        "time": at,
        "request_id": request_id.decode(),
        "client": client[0] if client else None,
        "key": key,
        "method": method,
        "path": path,
        "status": status,
        "milliseconds": round(1000 * seconds, 3),
    }
    if not path.isprintable():  # orjson leaves Unicode's own control characters as they are
        return json.dumps(entry, separators=(",", ":")).encode() + b"\n"
    written: bytes = orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)
    return written


def request_id(given: bytes | None) -> bytes:
    """The id that a client gave its request, if it is one that does no harm; else a new one."""
    if given is not None and _is_harmless(given):
        return given
    return b"%s-%x" % (_PROCESS, next(_requests))
