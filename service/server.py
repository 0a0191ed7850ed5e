"""uvicorn with bounds: on what a client can make a process hold, and for how long."""

import asyncio
import logging
import resource
import socket
from typing import Any

import uvicorn
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from service.access import HEALTH
from service.api.app import Crosscheck, create_app
from service.errors import problem
from service.settings import Settings

logger = logging.getLogger(__name__)

MAX_HEAD_BYTES = 64 * 1024
"""Of a request's line and headers."""

HEAD_TOO_LARGE = f"the headers are larger than {MAX_HEAD_BYTES} bytes"

MAX_PIPELINED = 100
"""Requests that a connection may send before the first of them is answered."""

SECURITY_HEADERS = [
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
]

GRACE_SECONDS = 3
"""How long requests that run may go on once the socket is closed."""

SPARE_CONNECTIONS = 100
"""Connections beyond the bound that are told so, or answered about our health."""

SPARE_FILES = 200
"""Files that a process may need to have open beside its connections."""


def run(settings: Settings, listener: socket.socket) -> None:
    """Serves the API on `listener` until SIGTERM."""
    _allow_files(settings.max_connections + SPARE_CONNECTIONS + SPARE_FILES)
    app = create_app(settings)
    config = uvicorn.Config(
        _with_cors(app, settings.cors_origins) if settings.cors_origins else app,
        loop="uvloop",
        http=_bounded(settings),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # anybody on this machine could forge the client in the log
        server_header=False,
        headers=SECURITY_HEADERS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    Server(config, app, settings).run([listener])


class Server(uvicorn.Server):
    """Drains before it stops, and cuts off clients that are too slow."""

    def __init__(self, config: uvicorn.Config, app: Crosscheck, settings: Settings) -> None:
        super().__init__(config)
        self.stopping: asyncio.Event = app.state.stopping
        self.settings = settings
        self.stop_at: float | None = None

    def handle_exit(self, sig: int, frame: Any) -> None:
        self.stopping.set()
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn ten times a second; true ends the server."""
        now = asyncio.get_running_loop().time()
        if counter % 10 == 0:
            for connection in list(self.server_state.connections):
                if isinstance(connection, BoundedHttp):
                    connection.cut_off_if_slow(now, self.settings.request_seconds)
        if not await super().on_tick(counter):
            return False
        # Until then `/readyz` says 503, so that who balances load sends new clients elsewhere.
        self.stop_at = self.stop_at or now + self.settings.drain_seconds
        return now >= self.stop_at


class _Forgetful(list[tuple[bytes, bytes]]):
    def append(self, header: tuple[bytes, bytes]) -> None:
        pass


TRAILERS = _Forgetful()
"""Where headers go that come after a body. There may be any number of them."""


class BoundedHttp(HttpToolsProtocol):
    """One connection."""

    max_connections: int

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.awaiting_since: float | None = self.loop.time()  # the rest of a request
        self.stuck: tuple[int, float] = (0, 0.0)  # bytes to be sent, and since when so many
        self.in_head = False
        self.head_bytes = 0  # at least so many have come of it
        self.chunk_bytes = 0
        self.running: RequestResponseCycle | None = None
        self.refusal: tuple[int, str] | None = None
        if len(self.connections) > self.max_connections + SPARE_CONNECTIONS:
            transport.abort()
        elif len(self.connections) > self.max_connections:
            self.app = _busy(self.app)

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn tells the newest request, which may still wait behind the one that runs.
        self.pipeline.clear()
        if self.running is not None and not self.running.response_complete:
            self.running.disconnected = True
            self.running.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        went_on = self.in_head
        self.chunk_bytes = len(data)
        super().data_received(data)
        self.head_bytes = self.head_bytes + len(data) if went_on and self.in_head else 0
        if self.head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.refuse(431, HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.in_head = True
        self.awaiting_since = self.loop.time()

    def on_headers_complete(self) -> None:
        if self.head_bytes + self.chunk_bytes > MAX_HEAD_BYTES < self._size_of_head():
            self.refusal = 431, HEAD_TOO_LARGE
            raise ValueError  # ends in `send_400_response`
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError
        self.in_head = False
        super().on_headers_complete()
        self.headers = TRAILERS

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.awaiting_since = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.running = cycle
        super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        self.refuse(*(self.refusal or (400, "this is not HTTP")))

    def refuse(self, status: int, detail: str) -> None:
        """Answers in the application's stead, and closes the connection."""
        cycle = self.cycle
        if cycle is not None and not self.in_head and cycle.response_complete:
            self.transport.close()  # what is refused has its answer already
            return
        waits = cycle is not None and not cycle.response_complete
        if waits and (self.in_head or self.pipeline or cycle.response_started):
            self.transport.abort()  # it would be taken for the answer to an earlier request
            return
        refusal = problem(status, detail, {"Connection": "close"})
        lines = [STATUS_LINE[status]]
        for name, value in (*self.server_state.default_headers, *refusal.raw_headers):
            lines += [name, b": ", value, b"\r\n"]
        self.transport.write(b"".join([*lines, b"\r\n", bytes(refusal.body)]))
        self.transport.close()

    def cut_off_if_slow(self, now: float, seconds: float) -> None:
        """Closes the connection if for so long a request has been arriving or nothing was read."""
        if self.awaiting_since is not None and now - self.awaiting_since > seconds:
            has_begun = self.in_head or self.cycle is not None
            if has_begun and not self.transport.is_closing():
                self.refuse(408, f"the request did not arrive within {seconds:g} s")
            self.transport.close()
            self.awaiting_since = None
        unsent = self.transport.get_write_buffer_size()
        if unsent != self.stuck[0]:
            self.stuck = unsent, now
        elif unsent and now - self.stuck[1] > seconds:
            self.transport.abort()

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)


def _bounded(settings: Settings) -> type[BoundedHttp]:
    return type("Http", (BoundedHttp,), {"max_connections": settings.max_connections})


def _busy(app: ASGIApp) -> ASGIApp:
    """Sends everybody away but those who ask for our health."""

    async def busy(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in HEALTH:
            await app(scope, receive, send)
        else:
            headers = {"Retry-After": "1", "Connection": "close"}
            await problem(503, "too many connections", headers)(scope, receive, send)

    return busy


def _with_cors(app: ASGIApp, origins: list[str]) -> ASGIApp:
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "POST", "PUT"],
        allow_headers=[
            *("Authorization", "Content-Encoding", "Content-Type", "Idempotency-Key"),
            *("Last-Event-ID", "X-API-Key", "X-Request-Id"),
        ],
        expose_headers=[
            *("Location", "Retry-After", "X-Model", "X-Model-Version", "X-Request-Id"),
        ],
    )


def _allow_files(number: int) -> None:
    """Raises the limit of open files to this number, or as far as it may be raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < number:
        logger.warning("only %d files may be open: set CROSSCHECK_MAX_CONNECTIONS lower", hard)
        number = hard
    if soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
