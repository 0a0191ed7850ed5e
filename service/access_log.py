"""An id for each request, and one line of JSON about how it ended.

Lines are written a few times a second, all that have come together at once: to write one costs
more than to make a prediction.
"""

import asyncio
import itertools
import re
import secrets
import sys
import time
from collections import deque
from typing import NamedTuple

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

WRITE_SECONDS = 0.25
KEPT_LINES = 100_000
"""Lines that wait to be written; beyond, the oldest are lost rather than the memory."""

_PROCESS = secrets.token_hex(6).encode()
_requests = itertools.count(1)
_is_harmless = re.compile(rb"[A-Za-z0-9._~-]{1,128}").fullmatch


class Line(NamedTuple):
    """One request."""

    time: float
    request_id: bytes
    client: str | None
    method: str
    path: str
    status: int
    seconds: float

    def json(self) -> bytes:
        """The line; JSON escapes what a client could forge another one with."""
        line: bytes = orjson.dumps(
            {
                "time": self.time,
                "request_id": self.request_id.decode(),
                "client": self.client,
                "method": self.method,
                "path": self.path,
                "status": self.status,
                "milliseconds": round(1000 * self.seconds, 3),
            }
        )
        return line


class AccessLog:
    """Wraps an application: echoes or makes `X-Request-Id`, and notes each request."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.lines: deque[Line] = deque(maxlen=KEPT_LINES)

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id = _request_id(scope)
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        try:
            await app(scope, receive, send_with_id)
        finally:
            if self.enabled:
                client = scope["client"]
                self.lines.append(
                    Line(
                        time.time(),
                        request_id,
                        client[0] if client else None,
                        scope["method"],
                        scope["path"],
                        status,
                        time.perf_counter() - started,
                    )
                )

    def write(self) -> None:
        """Writes the lines that have come together."""
        lines = [self.lines.popleft().json() for _ in range(len(self.lines))]
        if lines:
            sys.stdout.buffer.write(b"\n".join(lines) + b"\n")
            sys.stdout.buffer.flush()

    async def keep_writing(self) -> None:
        """Writes until cancelled."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await asyncio.to_thread(self.write)


def _request_id(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _is_harmless(value):
            given: bytes = value
            return given
    return b"%s-%x" % (_PROCESS, next(_requests))
