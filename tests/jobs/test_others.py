"""Claims of the parts of a job, by its own child and by helpers."""

from pathlib import Path
from typing import Any, cast

import pytest

from models.courses import Born
from models.parts import Part
from service.jobs.child_main import Worker
from service.jobs.others import MOST_HELPERS, OtherWorkers
from service.jobs.packing import unpack_parts
from service.registry.staging import Staging
from tests.registry.versions import JOB

ATTEMPT, HELPER = "an attempt", f"{JOB}-an attempt-1"
PARTS = [Part("dense", (Born(1, seed),), "sample") for seed in range(3)]


class OurWorker:
    """Keeps what it is told; knows helpers that are at work, and how far they are."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.at_work: dict[str, Any] = {}

    def tell(self, **message: Any) -> None:
        self.told.append(message)

    def ask(self, finds: str) -> Any:
        return finds in self.at_work, self.at_work.get(finds)


@pytest.fixture
def worker() -> OurWorker:
    return OurWorker()


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(tmp_path)


@pytest.fixture
def others(worker: OurWorker, staging: Staging) -> OtherWorkers:
    return OtherWorkers(JOB, ATTEMPT, cast(Worker, worker), staging)


def test_helpers_are_queued_with_all_parts_and_each_has_an_id_of_its_own(
    others: OtherWorkers, worker: OurWorker, staging: Staging
) -> None:
    others.offer(PARTS)
    others.offer(PARTS[:1] * 100)
    (first, second) = (message["offers"] for message in worker.told)
    assert first[0] == [f"{JOB}-{ATTEMPT}-{number}" for number in (1, 2, 3)]
    offered = staging.part(JOB, first[1])
    assert offered is not None
    assert unpack_parts(offered) == PARTS
    assert len(second[0]) == MOST_HELPERS
    assert not {*first[0]} & {*second[0]}


def test_who_claims_first_has_it(others: OtherWorkers, staging: Staging) -> None:
    assert others.claim(PARTS[0]).state == "ours"
    assert staging.claim_part(JOB, PARTS[0].key, HELPER) == ATTEMPT
    assert others.claim(PARTS[0]).state == "ours"


def test_what_a_helper_has_claimed_is_theirs_until_it_is_done_or_the_helper_is_gone(
    others: OtherWorkers, worker: OurWorker, staging: Staging
) -> None:
    for part in PARTS:
        assert staging.claim_part(JOB, part.key, HELPER) == HELPER
    worker.at_work = {HELPER: {"model": "dense", "epoch": 1, "epochs": 2, "loss": 0.5}}
    state, progress, _ = others.claim(PARTS[0])
    assert state == "theirs"
    assert progress is not None
    assert progress.epoch == 1
    staging.keep_part(JOB, PARTS[0].key, b"trained")
    assert others.claim(PARTS[0]).state == "done"
    assert others.claim(PARTS[0]).packed == b"trained"
    worker.at_work = {}
    assert others.claim(PARTS[0]).state == "done"
    assert others.claim(PARTS[1]).state == "ours"


def test_what_an_earlier_attempt_has_claimed_is_ours_and_what_its_helpers_brought_is_used(
    worker: OurWorker, staging: Staging
) -> None:
    before = OtherWorkers(JOB, "an attempt that died", cast(Worker, worker), staging)
    assert before.claim(PARTS[0]).state == "ours"
    staging.claim_part(JOB, PARTS[1].key, HELPER)
    staging.keep_part(JOB, PARTS[1].key, b"trained")
    now = OtherWorkers(JOB, ATTEMPT, cast(Worker, worker), staging)
    assert [now.claim(part).state for part in PARTS[:2]] == ["ours", "done"]


def test_what_is_not_needed_any_more_is_not_begun(others: OtherWorkers, staging: Staging) -> None:
    others.withdraw(PARTS)
    assert {staging.claim_part(JOB, part.key, HELPER) for part in PARTS} == {ATTEMPT}


def test_a_new_attempt_keeps_what_was_brought(staging: Staging) -> None:
    staging.keep_part(JOB, PARTS[0].key, b"trained")
    staging.begin(JOB)
    assert staging.part(JOB, PARTS[0].key) == b"trained"
    assert staging.part(JOB, PARTS[1].key) is None
    staging.remove(JOB)
    assert staging.part(JOB, PARTS[0].key) is None
