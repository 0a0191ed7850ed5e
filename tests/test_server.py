"""The bounds of an API process, against a running service."""

import contextlib
import json
import re
import select
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.conftest import LONG, SMALL, Service, running

HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


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
    request = b"GET /jobs?limit=80 HTTP/1.1\r\nHost: x\r\n\r\n"
    with connect(bounded) as connection:
        connection.sendall(request * 100)  # more than the system's buffers take
        port = connection.getsockname()[1]

        def is_connected() -> bool:
            return any(c.raddr and c.raddr.port == port for c in api.net_connections())

        assert is_connected()
        bounded.until(lambda: not is_connected())
        assert read_all(connection).count(b"HTTP/1.1 200 OK") < 100


def test_headers_without_end_are_refused(bounded: Service) -> None:
    for head in (
        HEAD + b"X-Long: " + b"a" * 100_000 + b"\r\n\r\n",
        HEAD + b"X-Many: a\r\n" * 10_000 + b"\r\n",
        HEAD + b"X-Endless: " + b"a" * 1_000_000,
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ):
        with connect(bounded) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(head)
            assert status_of(read_all(connection)) == 431


def test_long_headers_within_the_bound_are_taken(bounded: Service) -> None:
    response = bounded.client.get("/livez", headers={"X-Long": "a" * 60_000})
    assert response.status_code == 200


def test_requests_may_be_sent_before_the_first_is_answered(bounded: Service) -> None:
    request = b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-Id: %d\r\n\r\n"
    last = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with connect(bounded) as connection:
        connection.sendall(b"".join(request % number for number in range(50)) + last)
        answers = read_all(connection)
    numbers = re.findall(rb"x-request-id: (\d+)\r", answers)
    assert numbers == [b"%d" % number for number in range(50)]
    assert answers.count(b"HTTP/1.1 200 OK") == 51


def test_a_flood_of_such_requests_takes_no_memory(bounded: Service) -> None:
    api = bounded.find("api")
    before = api.memory_info().rss
    with connect(bounded) as connection:
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        read_all(connection)
    assert api.memory_info().rss < before + 30 * 2**20
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
    headers = {"Content-Type": "application/json"}
    return service.client.post("/predict", content=b" " * 200_000, headers=headers).status_code


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
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
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
        assert headers["content-security-policy"] == "frame-ancestors 'none'"
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
    with running(tmp_path, "--no-worker", drain_seconds="1") as service:
        path = f"/jobs/{service.train()}/events"
        lines: list[str] = []

        def follow() -> None:
            with httpx.stream("GET", f"{service.client.base_url}{path}") as stream:
                lines.extend(stream.iter_lines())

        follower = threading.Thread(target=follow)
        follower.start()
        address = str(service.client.base_url)
        service.process.terminate()
        service.until(lambda: httpx.get(f"{address}/readyz").status_code == 503, seconds=1)
        assert httpx.get(f"{address}/livez").status_code == 200
        assert service.process.wait(10) == 0
        follower.join(5)
        assert [line for line in lines if line.startswith("event:")] == [
            "event: progress",
            "event: stopping",
        ]


@pytest.mark.slow
def test_a_running_request_is_answered_before_the_service_stops(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        service.wait_for(service.train(**SMALL))
        body = b'{"instances": [[0.1, 0.2, 0.3]]}'
        with connect(service) as connection:
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body))
            service.process.terminate()
            address = str(service.client.base_url)
            service.until(lambda: httpx.get(f"{address}/readyz").status_code == 503, seconds=2)
            connection.sendall(body)
            assert status_of(read_all(connection)) == 200
        assert service.process.wait(10) == 0


@pytest.mark.slow
def test_a_stopped_worker_leaves_its_job_queued(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        job_id = service.train(**LONG)
        service.wait_for_progress(job_id)
        service.stop()
        service.options = ("--no-worker",)
        service.start()
        assert service.get(f"/jobs/{job_id}")["status"] == "queued"
        service.stop()
        service.options = ()
        service.start()
        service.wait_for(job_id, "running")


@pytest.mark.slow
def test_old_jobs_are_forgotten_and_their_versions_stay(tmp_path: Path) -> None:
    with running(tmp_path, max_ended_jobs="2") as service:
        jobs = [service.train(**SMALL, models=["cross"], seed=seed) for seed in range(4)]
        for job_id in jobs:
            service.until(partial(ended, service, job_id))
        kept = {job["id"] for job in service.get("/jobs")["jobs"]}
        assert jobs[-1] in kept
        assert jobs[0] not in kept
        assert len(kept) == 3  # the last one was not yet over when it tidied up
        versions = service.get("/models/cross")["versions"]
        assert [version["job_id"] for version in versions] == jobs[::-1]
        assert service.get("/metrics", job_id=jobs[0])["models"]["cross"]["version"] == 1


def ended(service: Service, job_id: str) -> bool:
    response = service.client.get(f"/jobs/{job_id}")
    return response.status_code == 404 or response.json()["status"] == "succeeded"


@pytest.mark.slow
def test_at_ten_times_its_capacity_it_sheds_load_and_recovers(tmp_path: Path) -> None:
    with running(tmp_path, max_large_requests="2", max_queued_jobs="5") as service:
        service.wait_for(service.train(**SMALL))
        api = service.find("api")
        small = {"instances": [[0.1, 0.2, 0.3]]}
        large = json.dumps({"instances": [[0.1, 0.2, 0.3]] * 20_000}).encode()
        statuses: list[tuple[str, int]] = []
        over = threading.Event()

        def keep_asking(path: str, body: dict[str, Any]) -> None:
            with httpx.Client(base_url=service.client.base_url, timeout=30) as client:
                while not over.is_set():
                    statuses.append((path, client.post(path, **body).status_code))

        json_type = {"Content-Type": "application/json"}
        loads: list[tuple[str, dict[str, Any]]] = [("/predict", {"json": small})] * 10
        loads += [("large", {"content": large, "headers": json_type})] * 20
        loads += [("/train", {"json": LONG})] * 10

        def start(path: str, body: dict[str, Any]) -> threading.Thread:
            target = "/predict" if path == "large" else path
            thread = threading.Thread(target=keep_asking, args=(target, body))
            thread.start()
            return thread

        before = seconds_of_a_hundred(service, small)
        threads = [start(path, body) for path, body in loads]
        time.sleep(5)
        most = api.memory_info().rss
        over.set()
        for thread in threads:
            thread.join()
        assert most < 600 * 2**20
        seen = set(statuses)
        assert ("/predict", 200) in seen
        assert ("/predict", 503) in seen
        assert ("/train", 429) in seen
        assert {status for _, status in seen} <= {200, 202, 429, 503}
        service.until(lambda: seconds_of_a_hundred(service, small) < 3 * before, seconds=5)
        assert psutil.pid_exists(api.pid)


def seconds_of_a_hundred(service: Service, body: dict[str, Any]) -> float:
    started = time.perf_counter()
    for _ in range(100):
        assert service.client.post("/predict", json=body).status_code == 200
    return time.perf_counter() - started
