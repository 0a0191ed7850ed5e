"""Workers on one Postgres that die, are stopped, or lose their database in the middle of a job."""

import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import psutil
import psycopg
import pytest

from service.jobs.lease import LEASE_SECONDS
from service.registry.manifest import MANIFEST
from tests.conftest import LONG, SMALL, Service, gone, running
from tests.postgres import Postgres

MEDIUM = {"dataset": {"size": 20_000}, "epochs": 300, "baselines": [], "models": ["cross"]}
"""A job of some seconds, which has no parts for others."""

RESCUE_SECONDS = 20.0

pytestmark = pytest.mark.slow

Pair = tuple[Service, Service]


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> str:
    return postgres.database()


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[Pair]:
    """Two services with one folder of artifacts and one database."""
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    (first / "artifacts").mkdir()
    (second / "artifacts").symlink_to(first / "artifacts")
    with ExitStack() as stack:
        yield (
            stack.enter_context(running(first, database_url=database, access_log="false")),
            stack.enter_context(running(second, database_url=database, access_log="false")),
        )


@pytest.fixture
def pair(started: Pair) -> Pair:
    """Both of them, with a worker each that is ready, and no job."""
    for service in started:
        service.until(lambda service=service: worker_is_ready(service))  # type: ignore[misc]
    return started


def worker_is_ready(service: Service) -> bool:
    """Whether its worker of now is ready, by the newest line of the log about that."""
    lines = [line for line in service.log.read_text().splitlines() if "worker" in line]
    said = [line for line in lines if " is ready" in line or " ended with" in line]
    return bool(said) and said[-1].endswith(" is ready")


def that_runs(pair: Pair, job_id: str) -> Pair:
    """The service whose worker runs the job, once it is in the midst of it, and the other one."""
    pair[0].wait_for_progress(job_id)

    def found() -> Pair | None:
        busy = [bool(trains(service)) for service in pair]
        return (pair if busy[0] else pair[::-1]) if busy[0] != busy[1] else None

    return pair[0].until(found)  # type: ignore[return-value]


def trains(service: Service) -> list[psutil.Process]:
    """The child of its worker, if it has one."""
    with suppress(psutil.NoSuchProcess, StopIteration):
        servers = service.find("worker").children()
        return [child for server in servers for child in server.children()]
    return []


def versions_of(service: Service, job_id: str, network: str) -> int:
    versions = service.get(f"/models/triples/{network}")["versions"]
    return [version["job_id"] for version in versions].count(job_id)


def attempts(database: str, job_id: str) -> int:
    with psycopg.connect(database) as connection:
        question = "SELECT recovery_attempts FROM dbos.workflow_status WHERE workflow_uuid = %s"
        (found,) = connection.execute(question, [job_id]).fetchone() or (0,)
        return int(found)


def published_once(service: Service, job_id: str) -> bool:
    return versions_of(service, job_id, "cross") == 1


def test_a_worker_that_is_stopped_gives_its_job_to_another_at_once(
    pair: Pair, database: str
) -> None:
    job_id = pair[0].train(**MEDIUM)
    busy, other = that_runs(pair, job_id)
    busy.find("worker").send_signal(signal.SIGTERM)
    other.until(lambda: trains(other), seconds=5)
    assert other.wait_for(job_id)["status"] == "succeeded"
    assert published_once(other, job_id)
    assert "has died" not in other.log.read_text()


def test_a_restart_of_the_database_costs_no_job_its_worker(
    pair: Pair, postgres: Postgres, database: str
) -> None:
    job_id = pair[0].train(**MEDIUM)
    busy, _ = that_runs(pair, job_id)
    postgres.restart()
    assert busy.wait_for(job_id)["status"] == "succeeded"
    assert attempts(database, job_id) == 1
    assert published_once(busy, job_id)


def test_the_job_of_a_worker_that_stands_still_runs_elsewhere_and_is_published_once(
    pair: Pair, database: str
) -> None:
    job_id = pair[0].train(**MEDIUM)
    busy, other = that_runs(pair, job_id)
    worker, (child,) = busy.find("worker"), trains(busy)
    worker.suspend()
    staged = busy.artifacts / ".staging" / job_id
    busy.until(lambda: list(staged.glob(f"*/cross/{MANIFEST}")))
    other.until(lambda: trains(other), seconds=RESCUE_SECONDS + 5)
    assert not gone(child)  # it has finished, and waits for its worker's word
    assert versions_of(other, job_id, "cross") == 0
    worker.resume()
    other.until(lambda: gone(worker) and gone(child), seconds=2)
    assert other.wait_for(job_id)["status"] == "succeeded"
    assert attempts(database, job_id) == 2
    assert published_once(other, job_id)


def test_a_job_that_was_cancelled_is_not_run_by_another_worker(pair: Pair, database: str) -> None:
    job_id = pair[0].train(**LONG, models=["cross"])
    busy, other = that_runs(pair, job_id)
    busy.find("worker").suspend()
    assert busy.client.post(f"/jobs/{job_id}/cancel").json()["status"] == "cancelled"
    busy.find("worker").kill()
    other.until(lambda: "has died" in busy.log.read_text() + other.log.read_text())
    next_id = other.train(**SMALL, models=["cross"])
    assert other.wait_for(next_id)["status"] == "succeeded"
    assert other.get(f"/jobs/{job_id}")["status"] == "cancelled"
    assert attempts(database, job_id) == 1


def test_the_job_of_a_machine_that_is_gone_runs_elsewhere(pair: Pair, database: str) -> None:
    job_id = pair[0].train(**MEDIUM)
    busy, other = that_runs(pair, job_id)
    busy.kill_all()
    other.until(lambda: trains(other), seconds=RESCUE_SECONDS)
    assert other.wait_for(job_id)["status"] == "succeeded"
    assert attempts(database, job_id) == 2
    assert published_once(other, job_id)
    folders = [folder.name for folder in other.artifacts.glob(".worker-*.tmp")]
    assert len(folders) == 1  # that of the other's worker
    busy.start()


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Pair]:
    """A service with a worker and one without, which share a database and no folder."""
    folders = tmp_path_factory.mktemp("with"), tmp_path_factory.mktemp("without")
    settings = {"database_url": postgres.database(), "access_log": "false", "max_job_attempts": "1"}
    with (
        running(folders[0], **settings) as one,
        running(folders[1], "--no-worker", **settings) as other,
    ):
        yield one, other


def is_ready_for_jobs(service: Service) -> bool:
    return service.client.get("/readyz", params={"for": "jobs"}).status_code == 200


def missing(service: Service) -> str:
    return str(service.get("/readyz")["training"]["missing"])


def test_a_worker_that_cannot_reach_its_database_ends_with_its_child_before_it_is_taken_for_dead(
    apart: Pair, postgres: Postgres
) -> None:
    one, other = apart
    other.until(lambda: is_ready_for_jobs(other))
    job_id = other.train(**MEDIUM)
    one.wait_for_progress(job_id)
    worker, (child,) = one.find("worker"), trains(one)
    with postgres.suspended():
        one.until(lambda: gone(worker) and gone(child), seconds=LEASE_SECONDS)
        assert "the job database does not answer" in missing(other)
        assert other.client.get("/readyz").json()["training"]["ready"] is False
    assert other.wait_for(job_id)["status"] == "succeeded"
    assert "ended with 1" in one.log.read_text()


def test_a_job_that_costs_its_worker_again_and_again_is_given_up_as_is_known_everywhere(
    apart: Pair,
) -> None:
    one, other = apart
    other.until(lambda: is_ready_for_jobs(other))
    job_id = other.train(**LONG)
    for _ in range(2):
        other.until(lambda: is_ready_for_jobs(other))
        other.until(lambda: trains(one))
        one.find("worker").kill()
        why = other.until(
            lambda: re.search("the worker [0-9a-f]{12} (died|is starting)", missing(other))
        )
        assert why
    job = other.wait_for(job_id)
    assert job["status"] == "failed"
    assert job["error"] == "given up: the worker died each time that it ran this job"


def test_each_worker_has_its_own_slots(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres
) -> None:
    settings = {"database_url": postgres.database(), "access_log": "false"}
    folders = tmp_path_factory.mktemp("two"), tmp_path_factory.mktemp("one")
    with running(folders[0], slots="2", **settings) as two:
        two.until(lambda: worker_is_ready(two))
        with running(folders[1], slots="1", **settings) as one:
            one.until(lambda: worker_is_ready(one))
            jobs = [one.train(**LONG, models=["cross"], baselines=[]) for _ in range(4)]
            one.until(lambda: (len(trains(two)), len(trains(one))) == (2, 1))
            statuses = sorted(one.get(f"/jobs/{job_id}")["status"] for job_id in jobs)
            assert statuses == ["queued", "running", "running", "running"]
