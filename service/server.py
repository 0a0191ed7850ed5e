"""uvicorn with bounds: on what a client can make a process hold, and for how long."""

import asyncio
import logging
import resource
import socket
from typing import Any

import uvicorn
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.app import Crosscheck, create_app
from service.http.connection import SPARE_CONNECTIONS, BoundedHttp
from service.settings import Settings
from service.telemetry import slots

logger = logging.getLogger(__name__)

SECURITY_HEADERS = [
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
]

GRACE_SECONDS = 3
"""How long requests that run may go on once the socket is closed."""

SPARE_FILES = 200
"""Files that a process may need to have open beside its connections."""


def run(settings: Settings, listener: socket.socket, given: slots.Given) -> None:
    """Serves the API on `listener` until SIGTERM."""
    _allow_files(settings.max_connections + SPARE_CONNECTIONS + SPARE_FILES)
    app = create_app(settings, given)
    config = uvicorn.Config(
        _with_cors(app, settings.cors_origins),
        loop="uvloop",
        http=_bounded(app, settings),
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


class _Defaults(list[tuple[bytes, bytes]]):
    """Headers of every answer, but where it has one of the same name: uvicorn sends both."""

    def __add__(self, own: Any) -> Any:
        names = {name for name, _ in own}
        return [header for header in self if header[0] not in names] + own


class Server(uvicorn.Server):
    """Drains before it stops, and cuts off clients that are too slow."""

    def __init__(self, config: uvicorn.Config, app: Crosscheck, settings: Settings) -> None:
        super().__init__(config)
        self.stopping: asyncio.Event = app.state.stopping
        self.drain_seconds = settings.drain_seconds
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
                    connection.cut_off_if_slow(now)
        ends = await super().on_tick(counter)
        self.server_state.default_headers = _Defaults(self.server_state.default_headers)
        if not ends:
            return False
        # Until then `/readyz` says 503, so that who balances load sends new clients elsewhere.
        self.stop_at = self.stop_at or now + self.drain_seconds
        return now >= self.stop_at


def _bounded(app: Crosscheck, settings: Settings) -> type[BoundedHttp]:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await app.state.access_log(scope["refusal"], scope, receive, send)

    bounds = {
        "max_connections": settings.max_connections,
        "keep_alive_seconds": settings.keep_alive_seconds,
        "request_seconds": settings.request_seconds,
        "health": settings.health_paths
        | {settings.root_path + path for path in settings.health_paths},
        "refusing": staticmethod(_with_cors(refuse, settings.cors_origins)),
    }
    return type("Http", (BoundedHttp,), bounds)


def _with_cors(app: ASGIApp, origins: list[str]) -> ASGIApp:
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "HEAD", "POST", "PUT", "DELETE"],
        allow_headers=[
            *("Authorization", "Content-Encoding", "Content-Type", "Idempotency-Key"),
            *("Inference-Header-Content-Length", "Last-Event-ID", "X-API-Key", "X-Canary-Key"),
            *("X-Request-Id", "X-Serving-Epoch"),
        ],
        expose_headers=[
            *("Inference-Header-Content-Length", "Location", "Retry-After"),
            *("X-Model", "X-Model-Version", "X-Request-Id", "X-Serving-Epoch"),
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
