"""The bounds of an API process, against a running service."""

import contextlib
import json
import re
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.conftest import LONG, SMALL, Service, running

JSON = {"Content-Type": "application/json"}
HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@contextlib.contextmanager
def connect(service: Service) -> Iterator[socket.socket]:
    with socket.socket() as connection:
        connection.settimeout(15)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", service.client.base_url.port))
        yield connection


def read_all(connection: socket.socket) -> bytes:
    """Whatever comes until the service closes the connection."""
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            answer += part
    return answer


def peak_memory(process: psutil.Process) -> int:
    """The most that a process ever held, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    kilobytes = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return 1024 * int(kilobytes[0])


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("bounded")
    bounds = {"request_seconds": "1", "max_connections": "20", "max_event_streams": "2"}
    origin = "https://example.org"
    with running(folder, "--no-worker", cors_origins=origin, **bounds) as service:
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


def test_large_bodies_need_a_place_before_they_are_held(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker", max_large_requests="2") as service:
        head = HEAD + b"Content-Length: 15000000\r\n\r\n" + b" " * 200_000
        with contextlib.ExitStack() as stack:
            uploads = [stack.enter_context(connect(service)) for _ in range(3)]
            for upload in uploads:
                upload.sendall(head)
            (refused,), _, _ = select.select(uploads, [], [], 10)
            assert status_of(refused.recv(4096)) == 503
            assert post_large(service) == 503
            assert service.client.post("/predict", json={"instances": []}).status_code == 422
        service.until(lambda: post_large(service) == 400)


def post_large(service: Service) -> int:
    return service.client.post("/predict", content=b" " * 200_000, headers=JSON).status_code


def test_what_is_not_http_gets_a_problem_document(bounded: Service) -> None:
    with connect(bounded) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert status_of(head) == 400
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == 400


def test_beyond_the_bound_of_connections_there_is_503_but_for_health(bounded: Service) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(21):
            connection = stack.enter_context(connect(bounded))
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert status_of(connection.recv(4096)) == 200
        beyond = stack.enter_context(httpx.Client(base_url=bounded.client.base_url))
        response = beyond.get("/models")
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert response.json()["detail"] == "too many connections"
        assert beyond.get("/livez").status_code == 200
    bounded.until(lambda: httpx.get(f"{bounded.client.base_url}/models").status_code == 200)


def test_beyond_the_bound_of_event_streams_there_is_503(bounded: Service) -> None:
    path = f"/jobs/{bounded.train()}/events"
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stream = stack.enter_context(bounded.client.stream("GET", path))
            assert stream.status_code == 200
        response = bounded.client.get(path)
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0

    def is_free() -> bool:
        with bounded.client.stream("GET", path) as stream:
            return stream.status_code == 200

    bounded.until(is_free)


def test_every_response_has_the_security_headers(bounded: Service) -> None:
    for method, path in (
        ("GET", "/livez"),
        ("GET", "/docs"),
        ("GET", "/nowhere"),
        ("POST", "/predict"),
        ("DELETE", "/train"),
    ):
        headers = bounded.client.request(method, path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers.get_list("content-security-policy")
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


def test_pages_of_a_named_origin_may_ask_and_no_others(bounded: Service) -> None:
    asked = {"Access-Control-Request-Method": "POST"}
    for origin, allowed in (("https://example.org", True), ("https://example.com", False)):
        preflight = bounded.client.options("/predict", headers={"Origin": origin, **asked})
        assert preflight.is_success is allowed
        answer = bounded.client.post("/predict", headers={"Origin": origin})
        assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)


def test_no_page_may_ask_by_default(service: Service) -> None:
    response = service.client.get("/models", headers={"Origin": "https://example.org"})
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.slow
def test_a_service_that_stops_is_not_ready_first_and_ends_event_streams(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker", drain_seconds="4") as service:
        path = f"/jobs/{service.train()}/events"
        lines: list[str] = []

        def follow() -> None:
            with httpx.stream("GET", f"{service.client.base_url}{path}") as stream:
                lines.extend(stream.iter_lines())

        follower = threading.Thread(target=follow)
        follower.start()
        service.process.terminate()
        service.until(lambda: service.client.get("/readyz").status_code == 503)
        assert service.client.get("/livez").status_code == 200
        assert service.process.wait(10) == 0
        follower.join(5)
        assert [line for line in lines if line.startswith("event:")] == [
            "event: progress",
            "event: stopping",
        ]


@pytest.mark.slow
def test_a_running_request_is_answered_before_the_service_stops(tmp_path: Path) -> None:
    with running(tmp_path, drain_seconds="4") as service:
        service.wait_for(service.train(**SMALL))
        body = b'{"instances": [[0.1, 0.2, 0.3]]}'
        with connect(service) as connection:
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body))
            service.process.terminate()
            service.until(lambda: service.client.get("/readyz").status_code == 503)
            connection.sendall(body)
            assert status_of(connection.recv(4096)) == 200
        assert service.process.wait(10) == 0


@pytest.mark.slow
def test_at_ten_times_its_capacity_it_sheds_load_and_recovers(tmp_path: Path) -> None:
    with running(tmp_path, max_large_requests="2", max_queued_jobs="5") as service:
        service.wait_for(service.train(**SMALL))
        api = service.find("api")
        small = {"instances": [[0.1, 0.2, 0.3]]}
        large = json.dumps({"instances": [[0.1, 0.2, 0.3]] * 20_000}).encode()
        kinds: dict[str, tuple[str, dict[str, Any]]] = {
            "small": ("/predict", {"json": small}),
            "large": ("/predict", {"content": large, "headers": JSON}),
            "train": ("/train", {"json": LONG}),
        }
        answers: Counter[tuple[str, int]] = Counter()
        over = threading.Event()

        def keep_asking(kind: str) -> None:
            path, body = kinds[kind]
            with httpx.Client(base_url=service.client.base_url, timeout=30) as client:
                while not over.is_set():
                    answers[kind, client.post(path, **body).status_code] += 1

        unloaded = seconds_of_a_hundred(service, small)
        crowd = [*["small"] * 10, *["large"] * 20, *["train"] * 10]
        threads = [threading.Thread(target=keep_asking, args=(kind,)) for kind in crowd]
        for thread in threads:
            thread.start()
        expected = {("small", 200), ("large", 200), ("large", 503), ("train", 202), ("train", 429)}
        service.until(lambda: sum(answers.values()) > 1000 and expected <= answers.keys())
        over.set()
        for thread in threads:
            thread.join()
        assert answers.keys() == expected
        assert peak_memory(api) < 600 * 2**20
        for job in service.get("/jobs")["jobs"]:
            service.client.post(f"/jobs/{job['id']}/cancel")
        service.until(lambda: seconds_of_a_hundred(service, small) < 2 * unloaded, seconds=5)
        assert service.find("api") == api


def seconds_of_a_hundred(service: Service, body: dict[str, Any]) -> float:
    started = time.perf_counter()
    for _ in range(100):
        assert service.client.post("/predict", json=body).status_code == 200
    return time.perf_counter() - started
