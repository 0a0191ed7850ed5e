"""The bounds of an API process, against a running service."""

import contextlib
import json
import select
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import LONG, Service, peak_memory, running
from tests.http.raw import connect, status_of

JSON = {"Content-Type": "application/json"}
HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("bounded")
    bounds = {"request_seconds": "1", "max_connections": "20", "max_event_streams": "2"}
    origin = "https://example.org"
    with running(folder, "--no-worker", cors_origins=origin, **bounds) as service:
        yield service


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
            assert service.client.post("/predict", json={"instances": []}).status_code == 409
        service.until(lambda: post_large(service) == 400)


def post_large(service: Service) -> int:
    return service.client.post("/predict", content=b" " * 200_000, headers=JSON).status_code


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
        (policy,) = headers.get_list("content-security-policy")
        assert "frame-ancestors 'none'" in policy
        assert headers["cache-control"] == ("no-cache" if path == "/docs" else "no-store")
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
def test_a_running_request_is_answered_before_the_service_stops(published: Path) -> None:
    with running(published, drain_seconds="4") as service:
        service.wait_until_it_predicts()
        body = b'{"instances": [[0.1, 0.2, 0.3]]}'
        with connect(service) as connection:
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body))
            service.process.terminate()
            service.until(lambda: service.client.get("/readyz").status_code == 503)
            connection.sendall(body)
            assert status_of(connection.recv(4096)) == 200
        assert service.process.wait(10) == 0


@pytest.mark.slow
def test_at_ten_times_its_capacity_it_sheds_load_and_recovers(published: Path) -> None:
    with running(published, max_large_requests="2", max_queued_jobs="5") as service:
        service.wait_until_it_predicts()
        jobs = {"for": "jobs"}
        service.until(lambda: service.client.get("/readyz", params=jobs).status_code == 200)
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
        service.until(lambda: seconds_of_a_hundred(service, small) < 2 * unloaded)
        assert service.find("api") == api


def seconds_of_a_hundred(service: Service, body: dict[str, Any]) -> float:
    started = time.perf_counter()
    for _ in range(100):
        assert service.client.post("/predict", json=body).status_code == 200
    return time.perf_counter() - started
