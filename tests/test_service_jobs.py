"""Training jobs over HTTP, against a running service."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from httpx_sse import connect_sse

from service.registry.staging import Staging
from tests.conftest import LONG, SMALL, Service, gone, running

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def test_an_accepted_job_says_where_it_is(service: Service) -> None:
    response = service.client.post("/train", json=SMALL)
    assert response.status_code == 202
    job = response.json()
    assert response.headers["location"] == f"/jobs/{job['id']}"
    assert job["status"] == "queued"
    assert job["config"]["dataset"] == {
        "kind": "synthetic",
        "size": 2000,
        "seed": 42,
        "eval_fraction": 0.1,
    }


def test_a_job_that_succeeded_has_results_and_times_in_order(
    trained: dict[str, Any],
) -> None:
    assert trained["created_at"] < trained["started_at"] < trained["finished_at"]
    assert [result["model"] for result in trained["results"]] == ["dense", "cross"]
    assert [result["parameters"] for result in trained["results"]] == [40, 16]
    assert trained["error"] is None


def test_a_job_trains_only_the_models_that_it_names(service: Service) -> None:
    job = service.wait_for(service.train(**SMALL, models=["cross"]))
    assert [result["model"] for result in job["results"]] == ["cross"]


def test_the_shape_of_the_networks_is_the_posted_one(service: Service) -> None:
    shapes = {"dense": {"hidden_units": [4]}, "cross": {"layers": 2}}
    job = service.wait_for(service.train(**SMALL, **shapes))
    assert [result["parameters"] for result in job["results"]] == [21, 28]


def test_a_diverging_job_fails_with_a_plain_reason(service: Service) -> None:
    optimizer = {"name": "sgd", "learning_rate": 1000.0}
    job = service.wait_for(service.train(**SMALL, optimizer=optimizer, models=["cross"]))
    assert job["status"] == "failed"
    assert "not finite" in job["error"]
    assert "learning rate" in job["error"]
    assert job["results"] == []


def test_a_key_used_twice_gives_the_same_job(service: Service) -> None:
    headers = {"Idempotency-Key": "twice"}
    first = service.client.post("/train", json=SMALL, headers=headers)
    second = service.client.post("/train", json=SMALL, headers=headers)
    assert second.status_code == 202
    assert first.json()["id"] == second.json()["id"]


def test_a_key_used_with_another_body_is_refused(service: Service) -> None:
    headers = {"Idempotency-Key": "another"}
    service.client.post("/train", json=SMALL, headers=headers)
    response = service.client.post("/train", json={**SMALL, "epochs": 4}, headers=headers)
    assert response.status_code == 422
    assert "Idempotency-Key" in response.json()["detail"]


def test_jobs_are_listed_newest_first_page_by_page(service: Service, trained: Any) -> None:
    posted = [service.train(**SMALL, models=["cross"]) for _ in range(5)]
    listed: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = service.get("/jobs", limit=2, **cursor)
        listed += [job["id"] for job in page["jobs"]]
        if page["next_cursor"] is None:
            break
        assert len(page["jobs"]) == 2
        cursor = {"cursor": page["next_cursor"]}
    assert listed[:5] == posted[::-1]
    assert len(set(listed)) == len(listed)
    assert trained["id"] in listed


def test_jobs_are_listed_by_dataset(service: Service, trained: dict[str, Any]) -> None:
    jobs = service.get("/jobs", dataset="triples", limit=100)["jobs"]
    assert trained["id"] in [job["id"] for job in jobs]
    assert service.get("/jobs", dataset="nothing") == {"jobs": [], "next_cursor": None}
    assert service.client.get("/jobs?dataset=../x").status_code == 422


def test_jobs_are_listed_by_status(service: Service, trained: dict[str, Any]) -> None:
    jobs = service.get("/jobs", status="succeeded", limit=100)["jobs"]
    assert trained["id"] in [job["id"] for job in jobs]
    assert {job["status"] for job in jobs} == {"succeeded"}


def events(service: Service, job_id: str, last_event_id: str = "") -> list[tuple[str, str, Any]]:
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    with connect_sse(service.client, "GET", f"/jobs/{job_id}/events", headers=headers) as source:
        # An event without data is a sign of life while the job waits.
        return [
            (event.event, event.id, json.loads(event.data))
            for event in source.iter_sse()
            if event.data
        ]


def test_events_report_progress_and_end_with_the_job(service: Service) -> None:
    config = {"dataset": {"size": 20_000}, "epochs": 2000, "models": ["cross"], "baselines": []}
    seen = events(service, service.train(**config))
    kinds = [kind for kind, _, _ in seen]
    assert kinds[-1] == "end"
    assert set(kinds[:-1]) == {"progress"}
    assert seen[-1][2]["status"] == "succeeded"
    assert any(job["progress"] for kind, _, job in seen if kind == "progress")


def test_a_client_that_comes_back_is_told_only_what_is_new(
    service: Service, trained: dict[str, Any]
) -> None:
    job_id = service.train(**LONG)
    service.wait_for_progress(job_id)
    path = f"/jobs/{job_id}/events"
    with connect_sse(service.client, "GET", path) as source:
        known = next(event.id for event in source.iter_sse() if event.data)
    service.client.post(f"/jobs/{job_id}/cancel")
    seen = events(service, job_id, last_event_id=known)
    assert known not in [identifier for _, identifier, _ in seen]
    assert seen[-1][0] == "end"


def test_a_client_that_knows_the_end_is_told_not_to_come_back(
    service: Service, trained: dict[str, Any]
) -> None:
    path = f"/jobs/{trained['id']}/events"
    ((kind, identifier, _),) = events(service, trained["id"])
    assert kind == "end"
    for _ in range(2):
        response = service.client.get(path, headers={"Last-Event-ID": identifier})
        assert response.status_code == 204
        assert response.content == b""
        assert "content-type" not in response.headers
        assert response.headers["x-request-id"]


def test_any_other_id_of_a_last_event_is_told_the_end(
    service: Service, trained: dict[str, Any]
) -> None:
    job_id = service.train(**LONG)
    service.client.post(f"/jobs/{job_id}/cancel")
    ((_, of_another_job, _),) = events(service, job_id)
    ((*_, job),) = events(service, trained["id"])
    for last in ("older", of_another_job, "x" * 60_000, "\xe9", job["id"]):
        headers = {"Last-Event-ID": last.encode("latin-1")}
        path = f"/jobs/{trained['id']}/events"
        with connect_sse(service.client, "GET", path, headers=headers) as source:
            assert [event.event for event in source.iter_sse()] == ["end"]


def test_a_client_that_knows_the_end_needs_no_place_among_the_streams(tmp_path: Path) -> None:
    with running(tmp_path, max_event_streams="1") as service:
        ended = service.train(**SMALL, models=["cross"])
        service.wait_for(ended)
        ((_, identifier, _),) = events(service, ended)
        waiting = service.train(**LONG)
        with connect_sse(service.client, "GET", f"/jobs/{waiting}/events") as source:
            open_stream = source.iter_sse()
            next(open_stream)
            for last, status in ((identifier, 204), ("", 503)):
                headers = {"Last-Event-ID": last}
                response = service.client.get(f"/jobs/{ended}/events", headers=headers)
                assert response.status_code == status


def test_a_running_job_is_cancelled_at_once_and_publishes_nothing(service: Service) -> None:
    job_id = service.train(**LONG)
    service.wait_for_progress(job_id)
    child = service.child()
    assert service.client.post(f"/jobs/{job_id}/cancel").json()["status"] == "cancelled"
    service.until(lambda: gone(child), seconds=3)
    assert service.get(f"/jobs/{job_id}")["status"] == "cancelled"
    assert "CancelledError" not in service.log.read_text()  # it is no fault
    assert service.client.get("/metrics", params={"job_id": job_id}).status_code == 404


def test_a_cancel_that_was_cut_short_still_holds(service: Service) -> None:
    job_id = service.train(dataset={"size": 20_000}, epochs=300)
    service.wait_for_progress(job_id)
    # All that is left of a cancel whose API process died at once after deciding it.
    Staging(service.artifacts).cancel(job_id)
    assert service.wait_for(job_id)["status"] == "cancelled"
    assert service.client.get("/metrics", params={"job_id": job_id}).status_code == 404


def test_a_queued_job_is_cancelled_and_never_runs(service: Service) -> None:
    running = service.train(**LONG)
    queued = service.train(**SMALL)
    job = service.client.post(f"/jobs/{queued}/cancel").json()
    assert job["status"] == "cancelled"
    assert job["started_at"] is None
    service.client.post(f"/jobs/{running}/cancel")
    service.wait_for(service.train(**SMALL, models=["cross"]))
    assert service.get(f"/jobs/{queued}")["started_at"] is None


def test_cancelling_twice_is_the_same_as_once(service: Service) -> None:
    job_id = service.train(**LONG)
    for _ in range(2):
        response = service.client.post(f"/jobs/{job_id}/cancel")
        assert response.status_code == 200
        assert response.json()["status"] == "cancelled"


def test_a_job_that_has_ended_cannot_be_cancelled(
    service: Service, trained: dict[str, Any]
) -> None:
    response = service.client.post(f"/jobs/{trained['id']}/cancel")
    assert response.status_code == 409
    assert service.get(f"/jobs/{trained['id']}")["status"] == "succeeded"


@pytest.mark.parametrize("path", ["", "/events", "/cancel"])
def test_an_unknown_job_is_not_found(service: Service, path: str) -> None:
    method = "POST" if path == "/cancel" else "GET"
    response = service.client.request(method, f"/jobs/{UNKNOWN}{path}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


BAD_CONFIGS: list[tuple[str, Any]] = [
    ("epochs", {"epochs": 0}),
    ("epochs", {"epochs": "100"}),
    ("epochs", {"epochs": 10_001}),
    ("epochs", {"epochs": 1.5}),
    ("batch_size", {"batch_size": True}),
    ("seed", {"seed": -1}),
    ("seed", {"seed": 2**32}),
    ("models", {"models": []}),
    ("models[0]", {"models": ["linear"]}),
    ("models", {"models": ["dense", "dense"]}),
    ("dataset.size", {"dataset": {"size": 10_000_001}}),
    ("dataset.size", {"dataset": {"size": 1}}),
    ("dataset.kind", {"dataset": {"kind": "file"}}),
    ("dataset.eval_fraction", {"dataset": {"eval_fraction": 1}}),
    ("optimizer.name", {"optimizer": {"name": "magic"}}),
    ("optimizer.learning_rate", {"optimizer": {"learning_rate": 0}}),
    ("dense.hidden_units[1]", {"dense": {"hidden_units": [3, 0]}}),
    ("optimizer", {"optimizer": {"name": "levenberg_marquardt"}, "models": ["deep_cross"]}),
    ("cross.layers", {"cross": {"layers": 17}}),
    ("learning_rate", {"learning_rate": 0.4}),
    ("promote", {"promote": "maybe"}),
    ("the body", []),
]


@pytest.mark.parametrize(("place", "config"), BAD_CONFIGS)
def test_a_config_that_is_not_allowed_is_refused_by_the_name_of_its_element(
    service: Service, place: str, config: Any
) -> None:
    response = service.client.post("/train", json=config)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert place in problem["detail"]
    assert problem["error"] == problem["detail"]


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"epochs": NaN}', b'{"epochs": 1e999}'])
def test_a_body_that_is_not_json_is_refused(service: Service, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = service.client.post("/train", content=body, headers=headers)
    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "query",
    [
        "status=done",
        "limit=0",
        "limit=101",
        "cursor=x",
        "cursor=1~2",
        "cursor=99999999999999999999~1~x",
        "cursor=~~",
    ],
)
def test_a_list_that_cannot_be_asked_for_is_refused(service: Service, query: str) -> None:
    assert service.client.get(f"/jobs?{query}").status_code == 422


def test_an_id_that_is_no_uuid_is_refused(service: Service) -> None:
    assert service.client.get("/jobs/..%2f..").status_code in (404, 422)
    assert service.client.get("/jobs/1").status_code == 422


def test_an_undefined_method_is_refused_as_a_problem(service: Service) -> None:
    response = service.client.get("/train")
    assert response.status_code == 405
    assert response.headers["content-type"] == "application/problem+json"


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
        versions = service.get("/models/triples/cross")["versions"]
        assert [version["job_id"] for version in versions] == jobs[::-1]
        assert service.get("/metrics", job_id=jobs[0])["models"]["cross"]["version"] == 1


def ended(service: Service, job_id: str) -> bool:
    response = service.client.get(f"/jobs/{job_id}")
    return response.status_code == 404 or response.json()["status"] == "succeeded"
