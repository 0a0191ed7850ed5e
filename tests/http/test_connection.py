"""One connection, with raw sockets to a running service."""

import asyncio
import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from service.http.connection import GOES_ON, BoundedHttp
from tests.conftest import Service, peak_memory, running
from tests.http.raw import (
    BODY,
    JSON,
    LAST,
    LENGTH,
    Answer,
    ask,
    connect,
    parse,
    read_all,
    read_one,
    request,
    status_of,
    statuses,
)

ORIGIN = "https://example.org"

HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("bounded")
    bounds = {"request_seconds": "1", "max_event_streams": "2"}
    with running(folder, "--no-worker", cors_origins=ORIGIN, **bounds) as service:
        yield service


@pytest.mark.parametrize(
    "sent", [b"", b"P", HEAD, HEAD + b'Content-Length: 50\r\n\r\n{"instances": [['], ids=len
)
def test_a_request_that_does_not_arrive_is_cut_off(bounded: Service, sent: bytes) -> None:
    with connect(bounded) as connection:
        connection.sendall(sent)
        answer = read_all(connection)
    assert status_of(answer) == 408 if sent else answer == b""


def test_a_request_that_trickles_in_is_cut_off(bounded: Service) -> None:
    with connect(bounded) as connection, contextlib.suppress(OSError):
        started = time.monotonic()
        connection.sendall(HEAD + b"Content-Length: 100000\r\n\r\n")
        connection.settimeout(0.1)
        while time.monotonic() < started + 10:
            connection.sendall(b" ")
            with contextlib.suppress(TimeoutError):
                if not connection.recv(1):
                    break
                connection.settimeout(5)
                assert status_of(b"H" + read_all(connection)) == 408
                return
    pytest.fail("it was not cut off")


def test_an_answer_that_nobody_reads_is_dropped(bounded: Service) -> None:
    for _ in range(80):
        bounded.train()
    api = bounded.find("api")
    request = b"GET /jobs?limit=80 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect(bounded) as connection:
        connection.sendall(request * 100)  # more than the system's buffers take
        port = connection.getsockname()[1]

        def is_connected() -> bool:
            return any(c.raddr and c.raddr.port == port for c in api.net_connections())

        bounded.until(is_connected)
        bounded.until(lambda: not is_connected())
        assert read_all(connection).count(b"HTTP/1.1 200 OK") < 100


def test_headers_without_end_are_refused(bounded: Service) -> None:
    for head in (
        HEAD + b"X-Long: " + b"a" * 100_000 + b"\r\n\r\n",
        HEAD + b"X-Many: a\r\n" * 10_000 + b"\r\n",
        HEAD + b"X-Endless: " + b"a" * 1_000_000,
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ):
        with connect(bounded) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(head)
            assert status_of(read_all(connection)) == 431


def test_trailers_are_not_held(bounded: Service) -> None:
    api = bounded.find("api")
    before = peak_memory(api)
    head = b"POST /train HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connect(bounded) as connection, contextlib.suppress(ConnectionError, TimeoutError):
        connection.sendall(head + b"5\r\n12345\r\n0\r\n" + b"a: b\r\n" * 500_000)
    assert bounded.get("/livez")
    assert peak_memory(api) < before + 20 * 2**20


def test_a_second_head_in_a_packet_is_bounded_as_well(bounded: Service) -> None:
    small = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    large = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * 100_000 + b"\r\n\r\n"
    with connect(bounded) as connection:
        connection.sendall(small + large)
        assert read_all(connection).count(b"HTTP/1.1 200 OK") <= 1


def test_a_request_has_one_answer(bounded: Service) -> None:
    head = b"DELETE /train HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
    with connect(bounded) as connection:
        connection.sendall(head + b"abc")
        answers = read_all(connection)
    assert answers.count(b"HTTP/1.1") == 1
    assert status_of(answers) == 405


def test_an_event_stream_ends_with_its_client_whatever_waits_behind_it(bounded: Service) -> None:
    path = f"/jobs/{bounded.train()}/events"
    stream = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    for _ in range(2):
        with connect(bounded) as connection:
            connection.sendall(stream + b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert status_of(connection.recv(4096)) == 200

    def is_free() -> bool:
        with bounded.client.stream("GET", path) as response:
            return response.status_code == 200

    bounded.until(is_free)


def test_long_headers_within_the_bound_are_taken(bounded: Service) -> None:
    response = bounded.client.get("/livez", headers={"X-Long": "a" * 60_000})
    assert response.status_code == 200


def test_requests_may_be_sent_before_the_first_is_answered(bounded: Service) -> None:
    request = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: %d\r\n\r\n"
    last = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with connect(bounded) as connection:
        connection.sendall(b"".join(request % number for number in range(50)) + last)
        answers = read_all(connection)
    numbers = re.findall(rb"x-request-id: (\d+)\r", answers)
    assert numbers == [b"%d" % number for number in range(50)]
    assert answers.count(b"HTTP/1.1 200 OK") == 51


def test_a_flood_of_such_requests_takes_no_memory(bounded: Service) -> None:
    bounded.get("/openapi.json")  # which is made once
    api = bounded.find("api")
    before = peak_memory(api)
    with connect(bounded) as connection:
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        read_all(connection)
    assert peak_memory(api) < before + 30 * 2**20
    assert bounded.get("/livez")


def test_what_is_not_http_gets_a_problem_document(bounded: Service) -> None:
    with connect(bounded) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert status_of(head) == 400
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == 400


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("narrow")
    bounds = {"max_connections": "5", "keep_alive_seconds": "1"}
    with running(folder, "--no-worker", cors_origins=ORIGIN, **bounds) as service:
        yield service


def keep_busy(service: Service, stack: contextlib.ExitStack) -> list[socket.socket]:
    """Takes all connections there may be, each with a request that has not arrived."""
    busy = [stack.enter_context(connect(service)) for _ in range(5)]
    for connection in busy:
        connection.sendall(request("GET /livez") + HEAD)
        assert read_one(connection).status == 200
    return busy


def test_beyond_the_bound_of_connections_there_is_503_but_for_health(narrow: Service) -> None:
    with contextlib.ExitStack() as stack:
        keep_busy(narrow, stack)
        (refused,) = ask(narrow, request("GET /models", f"Origin: {ORIGIN}"))
        assert refused.status == 503
        assert refused.headers["retry-after"] == "1"
        assert json.loads(refused.body)["detail"] == "too many connections"
        check_headers(refused)
        assert statuses(narrow, LAST) == [200]
    narrow.until(lambda: statuses(narrow, request("GET /models", "Connection: close")) == [200])


def test_health_is_answered_beyond_the_bound_below_a_root_path_as_well(tmp_path: Path) -> None:
    settings = {"root_path": "/crosscheck", "max_connections": "5"}
    with running(tmp_path, "--no-worker", **settings) as below, contextlib.ExitStack() as stack:
        keep_busy(below, stack)
        (refused,) = ask(below, request("GET /crosscheck/models"))
        assert refused.status == 503
        (answered,) = ask(below, request("GET /crosscheck/livez", "Connection: close"))
        assert answered.status == 200


def test_one_beyond_the_bound_that_is_idle_leaves_its_place_and_not_one_more(
    narrow: Service,
) -> None:
    with contextlib.ExitStack() as stack:
        keep_busy(narrow, stack)
        beyond = stack.enter_context(connect(narrow))
        beyond.sendall(request("GET /livez"))
        assert read_one(beyond).status == 200
        assert [answer.status for answer in ask(narrow, request("GET /models"))] == [503]


def test_one_that_has_just_come_is_given_time_to_ask(narrow: Service) -> None:
    with contextlib.ExitStack() as stack:
        keep_busy(narrow, stack)
        new = stack.enter_context(connect(narrow))
        assert [answer.status for answer in ask(narrow, request("GET /models"))] == [503]
        new.sendall(request("GET /livez"))
        assert read_one(new).status == 200


def test_who_was_beyond_the_bound_is_served_once_there_is_room(narrow: Service) -> None:
    with contextlib.ExitStack() as stack:
        busy = keep_busy(narrow, stack)
        beyond = stack.enter_context(connect(narrow))
        beyond.sendall(request("GET /livez"))
        assert read_one(beyond).status == 200
        for connection in busy:
            connection.close()
        assert narrow.get("/livez")
        beyond.sendall(request("GET /models"))
        assert read_one(beyond).status == 200


def test_a_new_connection_takes_the_place_of_the_one_that_is_idle_for_longest(
    narrow: Service,
) -> None:
    with contextlib.ExitStack() as stack:
        first, second, *others = [stack.enter_context(connect(narrow)) for _ in range(5)]
        for connection in (second, first, *others):
            connection.sendall(request("GET /livez"))
            assert read_one(connection).status == 200
        first.sendall(HEAD)  # it is not idle any more
        assert statuses(narrow, request("GET /models", "Connection: close")) == [200]
        assert second.recv(4096) == b""
        first.sendall(LENGTH + b"\r\n" + BODY)
        assert read_one(first).status == 409


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n\r\n"], ids=len)
def test_an_idle_connection_is_closed_after_a_while(narrow: Service, sent: bytes) -> None:
    with connect(narrow) as connection:
        connection.sendall(request("GET /livez") + sent)
        assert status_of(read_all(connection)) == 200


def test_idle_connections_do_not_keep_the_service_from_stopping(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker") as service, contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connect(service)) for _ in range(10)]
        for connection in idle[1:]:
            connection.sendall(request("GET /livez"))
            assert read_one(connection).status == 200
        assert service.stop() == 0


def check_headers(refused: Answer) -> None:
    """A refusal has the headers of any other answer, and ends the connection."""
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["access-control-allow-origin"] == ORIGIN
    assert "Origin" in refused.headers["vary"]
    assert "X-Request-Id" in refused.headers["access-control-expose-headers"]
    assert refused.headers["x-content-type-options"] == "nosniff"
    assert refused.headers["x-request-id"]
    assert refused.headers["connection"] == "close"


REFUSED = {
    400: b"GET /models HTTP/1.1\r\nX-Request-Id: mine-400\r\nOrigin: %b\r\n\r\n",
    408: b"GET /models HTTP/1.1\r\nX-Request-Id: mine-408\r\nOrigin: %b\r\nX-",
    431: b"GET /models HTTP/1.1\r\nX-Request-Id: mine-431\r\nOrigin: %b\r\nX-A: %b\r\n\r\n"
    % (b"%b", b"a" * 70_000),
    501: b"GET /models HTTP/1.1\r\nX-Request-Id: mine-501\r\nOrigin: %b\r\nHost: a\r\n"
    b"Transfer-Encoding: gzip, chunked\r\n\r\n",
}


@pytest.mark.parametrize("status", REFUSED)
def test_what_the_application_never_sees_is_answered_and_noted_like_the_rest(
    bounded: Service, status: int
) -> None:
    (refused,) = ask(bounded, REFUSED[status] % ORIGIN.encode())
    assert refused.status == status
    check_headers(refused)
    name = f"mine-{status}"
    assert refused.headers["x-request-id"] == name
    bounded.until(lambda: name in bounded.log.read_text())
    (line,) = [json.loads(each) for each in bounded.log.read_text().splitlines() if name in each]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/models", status)
    (refused,) = ask(bounded, REFUSED[status] % b"https://example.com")
    assert "access-control-allow-origin" not in refused.headers


def test_a_body_that_does_not_arrive_is_noted_once(bounded: Service) -> None:
    for path in ("/predict", "/train"):
        name = path.strip("/")
        head = request(f"POST {path}", f"X-Request-Id: {name}", "Content-Length: 9", JSON)
        (refused,) = ask(bounded, head)
        assert refused.status == 408
        bounded.until(lambda name=name: f'"{name}"' in bounded.log.read_text())  # type: ignore[misc]
        lines = [each for each in bounded.log.read_text().splitlines() if f'"{name}"' in each]
        assert [json.loads(line)["status"] for line in lines] == [408]


def test_a_refusal_waits_for_the_answers_before_it(bounded: Service) -> None:
    good = request("GET /livez")
    assert statuses(bounded, good * 3 + b"\x16\x03") == [200, 200, 200, 400]
    assert statuses(bounded, good + request("GET /livez", host=None) + good) == [200, 400]
    bad_body = request("POST /predict", JSON, "Transfer-Encoding: chunked") + b"zz\r\n"
    assert statuses(bounded, good + bad_body + good) == [200, 400]
    assert statuses(bounded, LAST + b"\x16\x03") == [200]


def test_who_ends_its_side_is_answered_first(narrow: Service) -> None:
    asked = request("POST /predict", JSON, body=b'{"instances": [[1, 2, 3]]}')
    with connect(narrow) as connection:
        connection.sendall(request("GET /livez") + asked)
        connection.shutdown(socket.SHUT_WR)
        assert [answer.status for answer in parse(read_all(connection))] == [200, 409]
    with connect(narrow) as connection:
        connection.sendall(asked[:-1])
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b""


OFFERS = {
    "h2c": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIA"),
    "websocket": ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    "TLS": ("connection: keep-alive, upgrade", "upgrade: TLS/1.0"),
    "twice": ("Connection: upgrade", "Upgrade: h2c", "Connection: keep-alive", "Upgrade: TLS/1.0"),
}

CHUNKED = b"".join(b"1;a=b\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n"


@pytest.mark.parametrize("offer", OFFERS)
def test_an_offer_of_another_protocol_is_passed_over(narrow: Service, offer: str) -> None:
    whole = request("POST /predict", JSON, *OFFERS[offer], body=BODY)
    chunks = request("POST /predict", JSON, *OFFERS[offer], "Transfer-Encoding: chunked") + CHUNKED
    without = request("GET /livez", *OFFERS[offer])
    answers = ask(narrow, whole + chunks + without + whole + LAST)
    assert [answer.status for answer in answers] == [409, 409, 200, 409, 200]
    assert "no serving version" in json.loads(answers[0].body)["detail"]
    assert " WARNING " not in narrow.log.read_text()


def test_whoever_offers_another_protocol_is_told_of_faults_in_this_one(narrow: Service) -> None:
    (refused,) = ask(narrow, request("GET /livez", *OFFERS["h2c"], host=None) + LAST)
    assert json.loads(refused.body)["detail"] == "the header Host is missing"
    assert statuses(narrow, request("GET /livez HTTP/2.0", *OFFERS["h2c"])) == [505]
    both = request("POST /train", *OFFERS["h2c"], "Transfer-Encoding: chunked", body=BODY)
    assert statuses(narrow, both + LAST) == [400]
    flood = request("GET /livez", *OFFERS["h2c"]) * 150
    assert statuses(narrow, flood) == [200] * 101 + [400]


def test_no_tunnel_is_opened(narrow: Service) -> None:
    assert statuses(narrow, request("CONNECT localhost:80", body=request("GET /livez"))) == [501]
    assert statuses(narrow, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + LAST) == [400]


class Wire(asyncio.Transport):
    """What is written to it is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what was asked."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    asked = f"{scope['method']} {scope['path']} ".encode() + body
    await Response(asked)(scope, receive, send)


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await scope["refusal"](scope, receive, send)


class Alone(BoundedHttp):
    max_connections = 1
    keep_alive_seconds = request_seconds = 60.0
    refusing = staticmethod(refuse)


async def echoed(*packets: bytes) -> list[tuple[int, bytes]]:
    """The answers of `echo` to bytes that come in these packets."""
    state = ServerState()
    wire, protocol = Wire(), Alone(Config(echo, log_config=None), state, {})
    protocol.connection_made(wire)
    for packet in packets:
        protocol.data_received(packet)
        for _ in range(3):
            await asyncio.sleep(0)
    while state.tasks:
        await asyncio.wait(state.tasks)
        await asyncio.sleep(0)
    return [(answer.status, answer.body) for answer in parse(wire.written)]


class Clock:
    """An event loop whose time only the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio.get_running_loop(), name)


async def arriving(pieces: list[bytes], **state: bool) -> bytes:
    """What is answered to a long body of which a piece comes every 59 seconds, and no end."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"].update(state)
        await echo(scope, receive, send)

    clock, wire, server = Clock(), Wire(), ServerState()
    protocol = Alone(Config(app, log_config=None), server, {})
    protocol.loop = clock  # type: ignore[assignment]
    protocol.connection_made(wire)
    protocol.data_received(request("PUT /a", "Content-Length: 9999999"))
    for piece in pieces:
        await asyncio.sleep(0)
        clock.now += 59
        protocol.cut_off_if_slow(clock.now)
        protocol.data_received(piece)
    await asyncio.sleep(0.0)
    written = wire.written
    protocol.connection_lost(None)
    while server.tasks:
        await asyncio.wait(server.tasks)
    return written


@pytest.mark.anyio
async def test_a_body_that_may_go_on_is_cut_off_once_it_does_not() -> None:
    assert await arriving([bytes(2**20)] * 5, **{GOES_ON: True}) == b""
    for pieces in ([b" "] * 3, [bytes(2**20), b" ", b" ", b" "]):
        (cut_off,) = parse(await arriving(pieces, **{GOES_ON: True}))
        assert cut_off.status == 408
        assert json.loads(cut_off.body)["detail"] == "a MiB of the body did not arrive within 60 s"


@pytest.mark.anyio
async def test_another_body_is_cut_off_however_much_of_it_comes() -> None:
    (cut_off,) = parse(await arriving([bytes(2**20)] * 3))
    assert json.loads(cut_off.body)["detail"] == "the request did not arrive within 60 s"


SMUGGLED = request("GET /smuggled", "Transfer-Encoding: chunked")

STREAMS = {
    "length": request("POST /a", *OFFERS["h2c"], body=SMUGGLED),
    "chunks": request("POST /a", *OFFERS["h2c"], "Transfer-Encoding: chunked")
    + b"%x\r\n%b\r\n0\r\nTrailer: a\r\n\r\n" % (len(SMUGGLED), SMUGGLED),
    "no body": request("GET /a", *OFFERS["h2c"]),
}

ECHOED = {
    "length": (200, b"POST /a " + SMUGGLED),
    "chunks": (200, b"POST /a " + SMUGGLED),
    "no body": (200, b"GET /a "),
}


@pytest.mark.anyio
@pytest.mark.parametrize("first", STREAMS)
@pytest.mark.parametrize("second", STREAMS)
async def test_the_answers_are_the_same_wherever_the_stream_is_cut(first: str, second: str) -> None:
    stream = STREAMS[first] + STREAMS[second] + request("PUT /b", body=b"end")
    expected = [ECHOED[first], ECHOED[second], (200, b"PUT /b end")]
    assert await echoed(stream) == expected
    for cut in range(1, len(stream)):
        assert await echoed(stream[:cut], stream[cut:]) == expected, cut
    assert await echoed(*(stream[i : i + 1] for i in range(len(stream)))) == expected
