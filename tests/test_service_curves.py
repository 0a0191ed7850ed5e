"""The losses of a job over HTTP, against a running service."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LONG, SMALL, Service, running

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def curves(service: Service, job_id: str) -> Any:
    return service.get(f"/jobs/{job_id}/curves")


def test_a_job_keeps_the_losses_of_all_its_starts(service: Service) -> None:
    job = service.wait_for(service.train(**SMALL, restarts=2, repeats=2, max_restarts=0))
    told = curves(service, job["id"])
    assert (told["job_id"], told["unit"]) == (job["id"], "mean squared error")
    found = [(each["network"], each["repeat"], each["start"]) for each in told["curves"]]
    assert found == [
        (network, repeat, start)
        for network in ("dense", "cross")
        for repeat in (1, 2)
        for start in (1, 2)
    ]
    dense = job["results"][0]["version"]
    about = service.get(f"/models/triples/dense/versions/{dense}")["metadata"]
    for curve, attempt in zip(told["curves"][:4], about["attempts"], strict=True):
        assert (curve["seed"], curve["outcome"]) == (attempt["seed"], attempt["outcome"])
        assert [point[:2] for point in curve["points"]] == [[1, 1], [2, 2], [3, 3]]
        assert curve["points"][-1][2] == pytest.approx(attempt["train_rmse"] ** 2, rel=1e-4)


def test_exact_training_has_curves_as_well(service: Service) -> None:
    exact = {"preset": "best", "dataset": {"size": 2000}, "restarts": 2, "promote": "never"}
    told = curves(service, service.wait_for(service.train(**exact))["id"])
    cross = [each for each in told["curves"] if each["network"] == "cross"]
    assert {each["start"] for each in cross} <= {1, 2}
    assert min(point[2] for point in cross[0]["points"]) < 1e-20
    assert cross[0]["points"][0][2] > 1e-3


def test_a_loss_that_is_not_finite_is_null(service: Service) -> None:
    optimizer = {"name": "sgd", "learning_rate": 1000.0}
    job = service.wait_for(service.train(**SMALL, optimizer=optimizer, models=["cross"]))
    assert job["status"] == "failed"
    (curve,) = curves(service, job["id"])["curves"]
    assert curve["points"][-1][2:] == [None, None]


def test_curves_grow_while_a_job_runs_and_stay_when_it_is_cancelled(service: Service) -> None:
    job_id = service.train(**LONG, models=["cross"])

    def epochs() -> int:
        found = curves(service, job_id)["curves"]
        return int(found[0]["points"][-1][1]) if found else 0

    first = service.until(epochs)
    service.until(lambda: epochs() > first)
    assert curves(service, job_id)["curves"][0]["outcome"] is None
    service.client.post(f"/jobs/{job_id}/cancel").raise_for_status()
    service.wait_for(job_id)
    assert epochs() > first


def test_a_job_that_waits_has_no_curves_yet(service: Service) -> None:
    first = service.train(**LONG, models=["cross"])
    waiting = service.train(**SMALL)
    assert curves(service, waiting) == {"job_id": waiting, "unit": None, "curves": []}
    for job_id in (waiting, first):
        service.client.post(f"/jobs/{job_id}/cancel").raise_for_status()


def test_an_unknown_job_has_none(service: Service) -> None:
    assert service.client.get(f"/jobs/{UNKNOWN}/curves").status_code == 404
    assert service.client.get("/jobs/1/curves").status_code == 422


@pytest.mark.slow
def test_curves_outlive_the_service_and_are_forgotten_with_their_job(tmp_path: Path) -> None:
    with running(tmp_path, max_ended_jobs="1") as service:
        job_id = service.wait_for(service.train(**SMALL, models=["cross"]))["id"]
        told = curves(service, job_id)
        assert len(told["curves"]) == 1
        service.kill_all()
        service.start()
        assert curves(service, job_id) == told
        for seed in (1, 2):
            service.wait_for(service.train(**SMALL, models=["cross"], seed=seed))
        assert service.client.get(f"/jobs/{job_id}/curves").status_code == 404
        assert kept(service.artifacts / "jobs.sqlite") == [2, 2]


def kept(database: Path) -> list[int]:
    """Of how many jobs losses are kept, in both places where DBOS keeps them."""
    with closing(sqlite3.connect(database)) as connection:
        return [
            connection.execute("SELECT count(*) FROM workflow_events").fetchone()[0],
            connection.execute("SELECT count(*) FROM workflow_events_history").fetchone()[0],
        ]
