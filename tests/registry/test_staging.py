import threading
from pathlib import Path

import pytest

from service.registry.staging import Staging, Verdict
from service.registry.versions import Registry
from tests.registry.versions import JOB, OTHER_JOB


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    registry = Registry(tmp_path)
    registry.prepare()
    return registry.staging


@pytest.mark.parametrize(("first", "second"), [("publish", "cancel"), ("cancel", "publish")])
def test_the_first_decision_stands(staging: Staging, first: Verdict, second: Verdict) -> None:
    staging.start_over(JOB)
    assert staging.decision(JOB) is None
    assert staging.decide(JOB, first) == first
    assert staging.decide(JOB, second) == first
    assert staging.decision(JOB) == first


def test_of_many_decisions_at_once_one_stands(staging: Staging) -> None:
    staging.start_over(JOB)
    barrier = threading.Barrier(8)
    results: list[Verdict] = []

    def decide(verdict: Verdict) -> None:
        barrier.wait()
        results.append(staging.decide(JOB, verdict))

    verdicts: list[Verdict] = ["publish", "cancel"] * 4
    threads = [threading.Thread(target=decide, args=(verdict,)) for verdict in verdicts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert set(results) == {staging.decision(JOB)}


def test_a_job_that_has_not_started_can_be_cancelled(staging: Staging) -> None:
    assert staging.decide(JOB, "cancel") == "cancel"
    assert staging.decision(JOB) == "cancel"


def test_a_new_attempt_keeps_the_decision_and_nothing_else(staging: Staging) -> None:
    folder = staging.start_over(JOB)
    (folder / "dense").mkdir()
    (folder / "temporary.py").touch()
    staging.decide(JOB, "cancel")
    staging.start_over(JOB)
    assert staging.decision(JOB) == "cancel"
    assert [file.name for file in folder.iterdir()] == ["verdict"]


def test_jobs_are_kept_apart_and_forgotten_one_by_one(staging: Staging) -> None:
    staging.start_over(JOB)
    staging.start_over(OTHER_JOB)
    assert sorted(staging.jobs()) == [JOB, OTHER_JOB]
    staging.remove(JOB)
    assert staging.jobs() == [OTHER_JOB]


@pytest.mark.parametrize("job_id", ["..", "", "/", "not-a-uuid"])
def test_no_folder_outside_is_reached(staging: Staging, job_id: str) -> None:
    with pytest.raises(ValueError, match="UUID"):
        staging.folder(job_id)
