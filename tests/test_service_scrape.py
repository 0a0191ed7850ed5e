"""Metrics for Prometheus, from a running service, and to a real Prometheus."""

import json
import os
import shutil
import signal
import socket
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from benchmarks.servers import publish_truth
from service.registry.versions import Registry
from tests.conftest import LONG, SMALL, Service, arguments, gone, running
from tests.telemetry.test_negotiation import BROWSER, PROMETHEUS
from tests.telemetry.texts import Series, never_falling, samples, series

SCRAPE = "/monitoring/prometheus/metrics"

TEXT = "text/plain; version=0.0.4; charset=utf-8"


def scraped(service: Service) -> dict[Series, float]:
    return samples(service.client.get(SCRAPE).text)


@pytest.mark.parametrize("path", [SCRAPE, "/metrics", "/metrics?format=prometheus"])
def test_a_scraper_gets_text_of_a_type_that_prometheus_3_takes(service: Service, path: str) -> None:
    for accept in PROMETHEUS:
        response = service.client.get(path, headers={"Accept": accept})
        assert response.status_code == 200
        assert response.headers["content-type"] == TEXT
        assert response.headers["vary"] == "Accept"
        assert series("crosscheck_worker_up") in samples(response.text)


@pytest.mark.parametrize("accept", ["*/*", "application/json", BROWSER])
def test_everybody_else_gets_the_comparison(service: Service, accept: str) -> None:
    response = service.client.get("/metrics", headers={"Accept": accept})
    assert response.headers["content-type"] == "application/json"
    assert response.headers["vary"] == "Accept"
    assert response.json()["dataset"] == "triples"
    forced = service.client.get("/metrics", headers={"Accept": accept}, params=as_text())
    assert forced.headers["content-type"] == TEXT


def as_text() -> dict[str, str]:
    return {"format": "prometheus"}


def test_whatever_the_accept_the_comparison_can_be_asked_for(service: Service) -> None:
    headers = {"Accept": PROMETHEUS[0]}
    comparison = service.client.get("/metrics?format=json", headers=headers).json()
    assert comparison["dataset"] == "triples"
    assert service.client.get("/metrics?format=xml").status_code == 422


def test_promtool_has_no_complaint(service: Service, trained: dict[str, Any]) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: `apt-get install prometheus`")
    service.predict([0.5, 0.5, 0.5])
    text = service.client.get(SCRAPE).content
    command = ["promtool", "check", "metrics"]
    checked = subprocess.run(command, input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_each_request_is_counted_where_it_was_answered(
    service: Service, trained: dict[str, Any]
) -> None:
    before = scraped(service)
    number = trained["results"][0]["version"]
    for _ in range(3):
        service.predict([0.5, 0.5, 0.5], [0.1, 0.2, 0.3], model="dense", version=number)
    service.client.post("/v1/models/cross:predict", json={"instances": [[1, 2]]})
    service.client.get(f"/jobs/{trained['id']}")
    service.client.head(f"/jobs/{trained['id']}")
    after = scraped(service)

    def more(name: str, **labels: str) -> float:
        asked = series(name, **labels)
        return after[asked] - before.get(asked, 0)

    requests = "crosscheck_requests_total"
    assert more(requests, route="/predict", method="POST", status="200") == 3
    of_tfs = "/v1/models/{model}:{verb}"
    assert more(requests, route=of_tfs, method="POST", status="400") == 1
    assert more("crosscheck_refusals_total", reason="invalid") == 1
    for method in ("GET", "HEAD"):
        assert more(requests, route="/jobs/{job_id}", method=method, status="200") == 1
    latency = "crosscheck_request_duration_seconds_count"
    assert more(latency, route="/predict", method="POST") == 3
    version = {"dataset": "triples", "network": "dense", "version": str(number)}
    assert more("crosscheck_predicted_rows_total", **version) == 6
    assert trained["id"] not in service.client.get(SCRAPE).text


def test_jobs_are_counted_as_they_wait_run_and_end(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        first = service.train(**LONG)
        service.wait_for_progress(first)
        second = service.train(**SMALL, models=["cross"])

        def jobs(status: str) -> float:
            return scraped(service)[series("crosscheck_jobs", status=status)]

        service.until(lambda: (jobs("running"), jobs("queued")) == (1, 1))
        with service.client.stream("GET", f"/jobs/{first}/events") as events:
            lines = events.iter_lines()  # the stream would end with it
            next(lines)
            service.until(lambda: scraped(service)[series("crosscheck_event_streams")] == 1)
        service.until(lambda: scraped(service)[series("crosscheck_event_streams")] == 0)
        service.client.post(f"/jobs/{first}/cancel")
        service.wait_for(second, "succeeded")

        def ended(status: str) -> float:
            return scraped(service)[series("crosscheck_jobs_ended_total", status=status)]

        service.until(lambda: (ended("cancelled"), ended("succeeded")) == (1, 1))
        os.kill(service.find("api").pid, signal.SIGKILL)
        service.until(service.answers)
        service.until(lambda: series("crosscheck_jobs", status="queued") in scraped(service))
        assert (jobs("running"), jobs("queued")) == (0, 0)
        found = scraped(service)
        for status in ("cancelled", "succeeded"):
            assert found[series("crosscheck_jobs_ended_total", status=status)] == 1
            assert found[series("crosscheck_job_attempts_total", status=status)] == 1
            assert found[series("crosscheck_job_duration_seconds_count", status=status)] == 1
        assert found[series("crosscheck_jobs_ended_total", status="failed")] == 0


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Service]:
    """A service with two API processes, which predicts."""
    publish_truth(Registry(tmp_path / "artifacts"))
    with running(tmp_path, "--no-worker", "--workers", "2", access_log="false") as service:
        service.until(lambda: service.client.get("/readyz").status_code == 200)
        yield service


def api_processes(service: Service) -> list[psutil.Process]:
    return [each for each in service.descendants() if "api" in arguments(each)]


def kill_one(service: Service, place: int) -> None:
    """Kills an API process, and waits for the next one in its place."""
    before = {each.pid for each in api_processes(service)}
    killed = api_processes(service)[place]
    killed.kill()
    service.until(lambda: gone(killed))
    service.until(lambda: len({each.pid for each in api_processes(service)} - before) == 1)
    service.until(lambda: scraped(service)[series("crosscheck_api_processes")] == 2)


def ask_on_new_connections(service: Service, times: int) -> None:
    """Asks so that each API process has its share."""
    for _ in range(times):
        answer = httpx.post(f"{service.client.base_url}/predict", json={"instances": [[0.1] * 3]})
        assert answer.status_code == 200


def slots_of(process: psutil.Process) -> int:
    folder = Path(f"/proc/{process.pid}/fd")
    return sum("memfd:crosscheck" in os.readlink(each) for each in folder.iterdir())


def test_no_process_takes_its_counts_with_it(two: Service) -> None:
    ask_on_new_connections(two, 20)
    predicted = series("crosscheck_requests_total", route="/predict", method="POST", status="200")

    def scraped_from_each() -> list[dict[Series, float]]:
        with httpx.Client(base_url=two.client.base_url, headers={"Connection": "close"}) as client:
            return [samples(client.get(SCRAPE).text) for _ in range(10)]

    two.until(lambda: all(each[predicted] == 20 for each in scraped_from_each()))
    never = never_falling(two.client.get(SCRAPE).text)
    before = scraped(two)
    for place in (0, 1, 0, 1):
        two.client.close()
        two.client = httpx.Client(base_url=two.client.base_url, timeout=30)
        kill_one(two, place)
        after = scraped(two)
        for each, value in before.items():
            assert each[0] not in never or after[each] >= value, each
        assert after[predicted] == 20
        before = after
    assert [slots_of(each) for each in api_processes(two)] == [2, 2]


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[httpx.Client]:
    """A Prometheus that scrapes a service several times a second; what asks it."""
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    every = {"scrape_interval": "200ms", "scrape_timeout": "200ms"}
    of_ours = {"job_name": "crosscheck", "static_configs": [{"targets": [target]}]}
    (folder / "prometheus.yaml").write_text(
        json.dumps({"global": every, "scrape_configs": [of_ours]})
    )
    command = [
        *("prometheus", f"--web.listen-address={address}", f"--storage.tsdb.path={folder}/data"),
        f"--config.file={folder}/prometheus.yaml",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://{address}/api/v1", timeout=30) as client:
            yield client
    finally:
        process.kill()
        process.wait()


def test_a_real_prometheus_sees_no_counter_fall_when_processes_are_killed(
    two: Service, tmp_path: Path
) -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed: `apt-get install prometheus`")
    url = two.client.base_url
    with prometheus(tmp_path / "prometheus", f"{url.host}:{url.port}") as client:

        def query(expression: str) -> list[dict[str, Any]]:
            try:
                answer = client.get("/query", params={"query": expression})
            except httpx.TransportError:  # it is starting
                return []
            found: list[dict[str, Any]] = answer.json().get("data", {}).get("result", [])
            return found

        def scrapes() -> int:
            found = query("sum(sum_over_time(up[1h]))")
            return int(found[0]["value"][1]) if found else 0

        def wait_for_scrapes() -> None:
            enough = scrapes() + 5
            two.until(lambda: scrapes() >= enough)

        for place in (0, 1, 0):
            ask_on_new_connections(two, 20)
            wait_for_scrapes()
            kill_one(two, place)
        ask_on_new_connections(two, 20)
        wait_for_scrapes()
        (target,) = client.get("/targets").json()["data"]["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
        counters = '{__name__=~"crosscheck_.+_(total|bucket|sum|count)"}'
        found = query(f"{counters}[1h]")
        falls = query(f"resets({counters}[1h]) > 0")
        assert falls == []
        last: dict[str, float] = defaultdict(float)
        for each in found:
            values = [float(value) for _, value in each["values"]]
            assert values == sorted(values), each["metric"]
            last[each["metric"]["__name__"]] += values[-1]
        assert last["crosscheck_predicted_rows_total"] == 80
        assert last["crosscheck_request_duration_seconds_count"] > 80
