"""Each promise is seen to be broken when it is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.faults import invariants
from tests.faults.invariants import PROMISES, Round
from tests.faults.ledger import Ledger
from tests.faults.load import Answer
from tests.registry.versions import JOB, OTHER_JOB, fill, metadata

RIGHT = Answer(200, {"model": "cross", "version": 1, "predictions": [0.25, 0.5]})


@pytest.fixture
def kept(tmp_path: Path) -> Round:
    """A round after which every promise is kept."""
    ledger = Ledger(tmp_path)
    ledger.accepted = {JOB: ["cross"], OTHER_JOB: ["cross"]}
    ledger.before = {
        JOB: {
            "status": "succeeded",
            "error": None,
            "results": [{"model": "cross", "version": 1}],
        }
    }
    ledger.jobs = {
        **ledger.before,
        OTHER_JOB: {"status": "cancelled", "error": None, "results": []},
    }
    ledger.doomed = ledger.cancelled = {OTHER_JOB}
    ledger.published = {("cross", 1): JOB}
    ledger.predictions = {("cross", 1): np.array([0.25, 0.5], np.float32)}
    ledger.serving = {"dense": 1, "cross": 1}
    by_hand = {"version": 1, "job_id": None}
    ledger.history = {"cross": [by_hand, by_hand, {"version": 1, "job_id": JOB}]}
    fill(tmp_path / "triples" / "cross" / "1", metadata())
    return Round(
        ledger=ledger,
        answers=[RIGHT],
        disorderly=[],
        seconds_to_ready=9.9,
        spares_the_api=True,
        may_fail_jobs=False,
    )


def test_kept_promises_are_not_called_broken(kept: Round) -> None:
    assert broken(kept) == set()


def test_nobody_answers_where_there_is_no_process_that_could(kept: Round) -> None:
    unanswered = replace(kept, answers=[Answer(None)])
    assert broken(replace(unanswered, spares_the_api=False)) == set()
    assert broken(unanswered) == {"every_question_is_answered"}


def lose_a_job(kept: Round) -> Round:
    del kept.ledger.jobs[OTHER_JOB]
    return kept


def leave_a_job_running(kept: Round) -> Round:
    kept.ledger.jobs[OTHER_JOB]["status"] = "running"
    kept.ledger.cancelled = set()
    return kept


def make_a_second_job(kept: Round) -> Round:
    kept.ledger.jobs["another"] = kept.ledger.jobs[OTHER_JOB]
    kept.ledger.doomed |= {"another"}
    return kept


def end_a_job_again(kept: Round) -> Round:
    kept.ledger.jobs[JOB] = {**kept.ledger.jobs[JOB], "error": "it failed, after all"}
    return kept


def publish_twice(kept: Round) -> Round:
    fill(kept.ledger.folder(("cross", 2)), metadata())
    kept.ledger.published["cross", 2] = JOB
    kept.ledger.jobs[JOB]["results"].append({"model": "cross", "version": 2})
    return kept


def publish_half(kept: Round) -> Round:
    kept.ledger.accepted[JOB] = ["dense", "cross"]
    return kept


def publish_what_is_cancelled(kept: Round) -> Round:
    fill(kept.ledger.folder(("cross", 2)), metadata(job_id=OTHER_JOB))
    kept.ledger.published["cross", 2] = OTHER_JOB
    return kept


def cancel_by_itself(kept: Round) -> Round:
    kept.ledger.doomed = kept.ledger.cancelled = set()
    return kept


def fail_what_was_cancelled(kept: Round) -> Round:
    kept.ledger.jobs[OTHER_JOB].update(status="failed", error="why not")
    return replace(kept, may_fail_jobs=True)


def fail_for_nothing(kept: Round) -> Round:
    kept.ledger.jobs[OTHER_JOB].update(status="failed", error="why not")
    kept.ledger.cancelled = set()
    return kept


def write_half(kept: Round) -> Round:
    (kept.ledger.folder(("cross", 1)) / "saved_model.pb").write_bytes(b"gra")
    return kept


def overlook_damage(kept: Round) -> Round:
    kept.ledger.damaged = {kept.ledger.folder(("dense", 2))}
    return kept


def call_a_whole_version_damaged(kept: Round) -> Round:
    kept.ledger.named = {"triples/cross/1"}
    return kept


def serve_what_is_damaged(kept: Round) -> Round:
    kept.ledger.damaged = {kept.ledger.folder(("cross", 1))}
    return kept


def take_over_twice(kept: Round) -> Round:
    kept.ledger.history["cross"] *= 2
    return kept


def take_over_for_another(kept: Round) -> Round:
    kept.ledger.history["cross"][-1]["job_id"] = OTHER_JOB
    return kept


def refuse_a_question(kept: Round) -> Round:
    return replace(kept, answers=[Answer(503, {})])


def predict_something_else(kept: Round) -> Round:
    return replace(kept, answers=[replace(RIGHT, body={**RIGHT.body, "predictions": [0.25, 0.51]})])


def predict_with_an_unknown_version(kept: Round) -> Round:
    return replace(kept, answers=[replace(RIGHT, body={**RIGHT.body, "version": 2})])


def answer_500(kept: Round) -> Round:
    return replace(kept, disorderly=["GET /jobs: 500"])


def take_long(kept: Round) -> Round:
    return replace(kept, seconds_to_ready=10.1)


@pytest.mark.parametrize(
    ("breach", "promise"),
    [
        (lose_a_job, invariants.every_accepted_job_has_ended),
        (leave_a_job_running, invariants.every_accepted_job_has_ended),
        (make_a_second_job, invariants.nobody_else_has_a_job),
        (end_a_job_again, invariants.every_job_ends_once),
        (publish_twice, invariants.no_version_is_published_twice),
        (publish_half, invariants.what_succeeded_has_published_all),
        (publish_what_is_cancelled, invariants.what_did_not_succeed_has_published_nothing),
        (cancel_by_itself, invariants.cancelled_is_cancelled),
        (fail_what_was_cancelled, invariants.cancelled_is_cancelled),
        (fail_for_nothing, invariants.jobs_fail_for_a_reason),
        (write_half, invariants.every_version_is_whole),
        (overlook_damage, invariants.what_is_damaged_is_named),
        (call_a_whole_version_damaged, invariants.what_is_damaged_is_named),
        (serve_what_is_damaged, invariants.what_serves_is_whole),
        (take_over_twice, invariants.no_version_takes_over_twice),
        (take_over_for_another, invariants.no_version_takes_over_twice),
        (refuse_a_question, invariants.every_question_is_answered),
        (predict_something_else, invariants.every_answer_is_right),
        (predict_with_an_unknown_version, invariants.every_answer_is_right),
        (answer_500, invariants.every_refusal_is_orderly),
        (take_long, invariants.it_is_ready_soon),
    ],
)
def test_a_broken_promise_is_named(
    kept: Round, breach: Callable[[Round], Round], promise: Callable[[Round], object]
) -> None:
    assert promise.__name__ in broken(breach(kept))


def broken(round_: Round) -> set[str]:
    """The names of the promises that were broken."""
    return {promise.__name__ for promise in PROMISES if any(promise(round_))}
