"""A server over real HTTP that answers as a test tells it to."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import MappingProxyType
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    """What to answer; without a status the connection is closed.

    One that is `broken` promises more than it sends.
    """

    status: int | None
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""
    broken: bool = False


def problem(status: int, detail: str, **headers: str) -> Answer:
    """A refusal as the service words it."""
    given = {"Content-Type": "application/problem+json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, given, json.dumps({"detail": detail}).encode())


def document(found: Any) -> Answer:
    """JSON."""
    return Answer(200, {"Content-Type": "application/json"}, json.dumps(found).encode())


def stream(*lines: str, broken: bool = False) -> Answer:
    """Server-sent events."""
    given = {"Content-Type": "text/event-stream"}
    return Answer(200, given, "\n".join(lines).encode(), broken)


class Scripted(ThreadingHTTPServer):
    """Gives its answers one after the other, the last one again and again."""

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.asked: list[Asked] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Scripted

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = Asked(
            self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body
        )
        self.server.asked.append(asked)
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.close_connection = True
        if answer.status is None:
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) + answer.broken))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Says nothing."""


@contextmanager
def scripted(*answers: Answer) -> Iterator[Scripted]:
    """A server that gives these answers, while the context is open."""
    with Scripted([*answers]) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
