"""Several API processes that answer alike: after a promotion, and while a version is tried."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Service, running
from tests.predict.tables import publish
from tests.registry.versions import OTHER_JOB

ROW = {"rooms": 3, "new": True, "city": "Oslo", "zip": 7}

SETTINGS = {"staleness_seconds": "1", "balancer_seconds": "0.5"}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Service]]:
    """Two services on the same artifacts."""
    folder = tmp_path_factory.mktemp("fleet")
    with running(folder, "--no-worker", **SETTINGS) as one:
        publish(one.artifacts)
        publish(one.artifacts, version=2, bias=1, job_id=OTHER_JOB)
        with running(folder, "--no-worker", **SETTINGS) as other:
            yield one, other


def ask(service: Service, **headers: str) -> httpx.Response:
    body = {"dataset": "houses", "instances": [ROW]}
    answer = service.client.post("/predict", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def promote(service: Service, version: int, query: str = "", **more: Any) -> httpx.Response:
    path = f"/models/houses/dense/serving{query}"
    answer = service.client.put(path, json={"version": version, **more})
    assert answer.status_code == 200, answer.text
    return answer


def test_who_carries_the_epoch_never_goes_back(two: tuple[Service, Service]) -> None:
    one, other = two
    for version in (1, 2, 1, 2):
        epoch = promote(one, version).headers["x-serving-epoch"]
        answer = ask(other, **{"X-Serving-Epoch": epoch})
        assert answer.json()["version"] == version
        assert answer.headers["x-serving-epoch"] == epoch


def test_a_promotion_that_waits_for_the_fleet_is_seen_by_a_process_that_stood_still(
    two: tuple[Service, Service],
) -> None:
    one, other = two
    promote(one, 1)
    other.until(lambda: ask(other).json()["version"] == 1)
    api = other.find("api")
    api.send_signal(signal.SIGSTOP)
    try:
        promoted = promote(one, 2, "?wait=fleet")
    finally:
        api.send_signal(signal.SIGCONT)
    assert promoted.elapsed.total_seconds() > 1.5
    assert ask(other).json()["version"] == 2


def test_a_promotion_that_waits_for_the_fleet_promises_no_epoch_that_came_meanwhile(
    two: tuple[Service, Service],
) -> None:
    one, other = two
    promote(one, 1)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(promote, one, 2, "?wait=fleet")
        other.until(lambda: other.get("/models/houses/dense")["serving"] == 2)
        later = promote(other, 1).headers["x-serving-epoch"]
        promised = waiting.result().headers["x-serving-epoch"]
    assert int(promised) == int(later) - 1


def test_a_process_that_cannot_look_is_not_ready_and_answers(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker", **SETTINGS) as service:
        publish(service.artifacts)
        ask(service)
        pointer = service.artifacts / "houses" / "dense" / "serving.json"
        pointer.unlink(missing_ok=True)
        pointer.symlink_to(pointer.name)  # a loop, which no look gets through
        missing = service.until(lambda: service.client.get("/readyz").json().get("missing"))
        assert "could not be looked up what serves" in missing[0]
        assert ask(service).json()["version"] == 1
        pointer.unlink()
        service.until(lambda: service.client.get("/readyz").status_code == 200)


def test_a_version_is_tried_on_the_same_clients_everywhere_and_compared_live(
    two: tuple[Service, Service],
) -> None:
    one, other = two
    promote(one, 1, canary={"version": 2, "percent": 50})
    keys = [f"user-{number}" for number in range(40)]
    other.until(
        lambda: {ask(other, **{"X-Canary-Key": key}).json()["version"] for key in keys} == {1, 2}
    )
    answers = [
        {key: ask(service, **{"X-Canary-Key": key}).json()["version"] for key in keys}
        for service in two
    ]
    assert answers[0] == answers[1]
    assert ask(one).json()["version"] == 1
    (trial,) = one.get("/metrics", dataset="houses")["trials"]
    assert trial["canary"] == {"version": 2, "percent": 50}
    counted = {row["version"]: row["requests"] for row in trial["rows"]}
    assert counted == {number: list(answers[0].values()).count(number) for number in (1, 2)}
    means = {row["version"]: row["mean"] for row in trial["rows"]}
    assert means[2] == pytest.approx(means[1] + 1)
    scraped = one.client.get("/metrics", params={"format": "prometheus"}).text
    assert (
        'crosscheck_trial_requests_total{dataset="houses",network="dense",version="2"}' in scraped
    )
    promote(one, 1)
    assert one.get("/metrics", dataset="houses")["trials"] == []


@pytest.mark.parametrize(
    ("canary", "named"),
    [
        ({"version": 1, "percent": 5}, "canary.version"),
        ({"version": 2, "percent": 0}, "canary.percent"),
        ({"version": 2, "percent": 101}, "canary.percent"),
        ({"version": 2}, "canary.percent"),
        ({"version": 2, "percent": "5"}, "canary.percent"),
    ],
)
def test_what_cannot_be_tried_is_refused(
    two: tuple[Service, Service], canary: dict[str, Any], named: str
) -> None:
    body = {"version": 1, "canary": canary}
    answer = two[0].client.put("/models/houses/dense/serving", json=body)
    assert answer.status_code == 422
    assert named in answer.json()["detail"]


def test_what_is_no_epoch_is_refused(two: tuple[Service, Service]) -> None:
    answer = two[0].client.post("/predict", json={}, headers={"X-Serving-Epoch": "new"})
    assert answer.status_code == 400
    assert "X-Serving-Epoch" in answer.json()["detail"]
