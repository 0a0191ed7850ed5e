"""Bytes to a service and back, as no client library would send them."""

import contextlib
import socket
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from typing import NamedTuple

from tests.conftest import Service

BODY = b'{"instances": []}'
"""Of a request for predictions; its answer is 422, whatever is trained."""

LENGTH = b"Content-Length: %d\r\n" % len(BODY)
JSON = "Content-Type: application/json"


class Answer(NamedTuple):
    """One answer; several headers of a name are one."""

    status: int
    headers: Message
    body: bytes


@contextlib.contextmanager
def connect(service: Service) -> Iterator[socket.socket]:
    with socket.socket() as connection:
        connection.settimeout(15)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect(("127.0.0.1", service.client.base_url.port))
        yield connection


def read_all(connection: socket.socket) -> bytes:
    """Whatever comes until the service closes the connection."""
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            answer += part
    return answer


def read_one(connection: socket.socket) -> Answer:
    """The next answer, if it has a length."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _some(connection)
    (answer,) = parse(received)
    while len(answer.body) < int(answer.headers["content-length"]):
        answer = answer._replace(body=answer.body + _some(connection))
    return answer


def _some(connection: socket.socket) -> bytes:
    part = connection.recv(65536)
    assert part, "the connection is closed"
    return part


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def request(line: str, *headers: str, body: bytes = b"", host: str | None = "localhost") -> bytes:
    """A request, as `request("POST /train", "Expect: 100-continue", body=b"{}")`."""
    line = line if " HTTP/" in line else f"{line} HTTP/1.1"
    hosts = [] if host is None else [f"Host: {host}"]
    lengths = [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([line, *hosts, *headers, *lengths, "", ""]).encode("latin-1") + body


LAST = request("GET /livez", "Connection: close")
"""Its answer ends the connection, so that one can see what came before."""


def ask(service: Service, *packets: bytes) -> list[Answer]:
    """The answers until the service closes the connection."""
    with connect(service) as connection:
        for packet in packets:
            with contextlib.suppress(ConnectionError):
                connection.sendall(packet)
        return parse(read_all(connection))


def parse(received: bytes) -> list[Answer]:
    """The answers in what was received; one without a length is the last."""
    answers = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        line, _, lines = head.partition(b"\r\n")
        headers = BytesParser().parsebytes(lines)
        status = int(line.split(b" ", 2)[1])
        length = 0 if status == 100 else int(headers.get("content-length", len(rest)))
        answers.append(Answer(status, headers, rest[:length]))
        received = rest[length:]
    return answers


def statuses(service: Service, *packets: bytes) -> list[int]:
    return [answer.status for answer in ask(service, *packets)]
