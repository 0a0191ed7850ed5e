"""No request can forge a line of the log."""

import json
import logging
import re
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from service.log_lines import LogLines
from tests.conftest import Service, running

FORGED = '{"status": 500, "path": "/forged"}'
IS_RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ [\w.]+ ").match
NASTY = [
    "%0a",
    "%0d%0a",
    "%1b[31m",
    "%00",
    "%7f",
    "%c2%85",
    "%c2%9b31m",
    "%e2%80%a8",
    "%ff",
    "\x1b",
]

BODY = b'{"\\u001b[31m\\n' + FORGED.replace('"', "'").encode() + b'": "\\n\\u2028"}'


def sent(service: Service, request: bytes) -> bytes:
    """The answer to the bytes of a request, which need not be HTTP."""
    url = service.client.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=30) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def requests(nasty: str) -> list[bytes]:
    """Requests with a new line, an escape sequence or the like in each part of them."""
    text = f"{nasty}{FORGED.replace(' ', '%20')}{nasty}".encode("latin-1")
    raw = text.replace(b"%0a", b"\n").replace(b"%1b", b"\x1b").replace(b"%00", b"\0")
    end = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    json_follows = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(BODY)
    methods = [b"GET", b"DELETE", b"GE" + raw]
    paths = [b"/" + text, b"/jobs/" + text, b"/jobs?status=" + text, b"/" + raw]
    names = [b"X-Request-Id", b"Idempotency-Key", b"Accept", b"X-API-Key", b"A" + raw]
    return [
        *(method + b" " + path + end + b"\r\n" for method in methods for path in paths),
        *(
            b"POST " + path + end + name + b": " + raw + b"\r\n" + json_follows + b"\r\n" + BODY
            for name in names
            for path in (b"/train", b"/predict?model=" + text)
        ),
    ]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without a worker, whose libraries write lines of their own when it starts."""
    with running(tmp_path_factory.mktemp("quiet"), "--no-worker") as made:
        yield made


@pytest.mark.parametrize("nasty", NASTY)
def test_no_request_can_forge_a_line_of_the_log(quiet: Service, nasty: str) -> None:
    start = quiet.log.stat().st_size
    for request in requests(nasty):
        answer = sent(quiet, request)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert 400 <= int(head.split()[1]) < 500, (request, answer)
        assert b"forged" not in head, "a header repeats it"
        detail = json.loads(body)["detail"]
        assert detail.isprintable()
        assert len(detail) < 1000
    quiet.client.get("/livez", headers={"X-Request-Id": "last"})
    quiet.until(lambda: b'"last"' in quiet.log.read_bytes()[start:])
    with quiet.log.open("rb") as log:
        log.seek(start)
        lines = log.read().decode().split("\n")
    assert len(lines) > 10
    for line in lines[:-1]:
        assert line.isprintable(), line
        if not IS_RECORD(line):
            assert json.loads(line)["path"] != "/forged"
            assert json.loads(line)["status"] != 500


def logged(message: str, *arguments: Any, error: bool = False) -> list[str]:
    record = logging.LogRecord("a.b", logging.ERROR, "", 1, message, arguments, None)
    if error:
        record.exc_info = sys.exc_info()
    formatter = LogLines("%(asctime)s %(levelname)s %(name)s %(message)s")
    return formatter.format(record).split("\n")


@pytest.mark.parametrize(
    "nasty", ["\n", "\r", "\x1b[31m", "\x7f", "\x85", "\x9b", "\u2028", "\u202e"]
)
def test_a_message_is_one_printable_line(nasty: str) -> None:
    (line,) = logged("could not read %s", f"{nasty}2026-01-01 00:00:00,000 INFO a forged")
    assert line.isprintable()
    assert IS_RECORD(line)


def test_a_traceback_is_indented_below_its_record() -> None:
    try:
        raise ValueError("x\n2026-01-01 00:00:00,000 INFO a forged\x1b[31m\u2028y")
    except ValueError:
        first, *others = logged("a fault", error=True)
    assert IS_RECORD(first)
    assert any("forged" in line for line in others)
    for line in others:
        assert line.startswith("    ")
        assert line.isprintable()
