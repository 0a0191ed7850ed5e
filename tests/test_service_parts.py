"""Jobs whose parts several children train, of one worker or of several."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest

from tests.conftest import LONG, Service, running
from tests.postgres import Postgres
from tests.test_service_workers import trains, worker_is_ready

pytestmark = pytest.mark.slow

REPEATS: dict[str, Any] = {
    "dataset": {"size": 4000},
    "optimizer": {"name": "levenberg_marquardt", "max_evaluations": 40},
    "models": ["dense", "deep_cross"],
    "deep_cross": {"hidden_units": [3]},
    "repeats": 4,
    "baselines": [],
    "promote": "always",
}
"""A job of eight parts."""

DONE = "SELECT count(*) FROM {}workflow_status WHERE name = 'help_to_train' AND status = 'SUCCESS'"


def facts(service: Service, job: dict[str, Any], dataset: str = "triples") -> list[Any]:
    """What must not depend on who has trained what."""
    assert job["status"] == "succeeded", job
    found = []
    for result in job["results"]:
        name, version = result["model"], result["version"]
        about = service.get(f"/models/{dataset}/{name}/versions/{version}")["metadata"]
        for of_this_run in ("job_id", "created_at", "fit_seconds"):
            del about[of_this_run]
        curves = service.get(f"/jobs/{job['id']}/curves")["curves"]
        found.append([about, curves])
    return found


def test_two_slots_train_what_one_would(tmp_path_factory: pytest.TempPathFactory) -> None:
    found = []
    for slots in ("1", "2"):
        with running(tmp_path_factory.mktemp("slots"), slots=slots) as service:
            found.append(facts(service, service.wait_for(service.train(**REPEATS))))
            with closing(sqlite3.connect(service.artifacts / "jobs.sqlite")) as database:
                ((done,),) = database.execute(DONE.format(""))
            assert (done > 0) == (slots == "2")
    assert found[0] == found[1]


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres
) -> Iterator[tuple[Service, Service, str]]:
    """Two services with a worker each, one folder of artifacts, and their database."""
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    (first / "artifacts").mkdir()
    (second / "artifacts").symlink_to(first / "artifacts")
    url = postgres.database()
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(running(folder, database_url=url)) for folder in (first, second)
        )
        for service in (one, other):
            service.until(lambda service=service: worker_is_ready(service))  # type: ignore[misc]
        yield one, other, url


def test_a_worker_without_a_job_trains_a_part_of_another_ones(
    pair: tuple[Service, Service, str],
) -> None:
    one, other, url = pair
    job = one.wait_for(one.train(**REPEATS))
    assert len(facts(other, job)) == 2
    with psycopg.connect(url) as connection:
        (done,) = connection.execute(DONE.format("dbos.")).fetchone() or (0,)
    assert done > 0


def test_who_cancels_a_job_ends_its_parts_wherever_they_are(
    pair: tuple[Service, Service, str],
) -> None:
    one, other, _ = pair
    job_id = one.train(**LONG)
    for service in (one, other):
        service.until(lambda service=service: trains(service))  # type: ignore[misc]
    assert other.client.post(f"/jobs/{job_id}/cancel").json()["status"] == "cancelled"
    for service in (one, other):
        service.until(lambda service=service: not trains(service))  # type: ignore[misc]


def test_a_helper_that_dies_costs_no_job(pair: tuple[Service, Service, str]) -> None:
    one, other, _ = pair
    medium = {**REPEATS, "repeats": 6, "dataset": {"size": 20_000}}
    job_id = one.train(**medium)
    for service in (one, other):
        service.until(lambda service=service: trains(service))  # type: ignore[misc]
    other.find("worker").kill()
    assert one.wait_for(job_id)["status"] == "succeeded"
