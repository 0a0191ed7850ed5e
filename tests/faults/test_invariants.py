"""Each promise is seen to be broken when it is."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from service.tables.store import Tables
from tests.faults import invariants, invariants_of_tables
from tests.faults.conftest import RIGHT
from tests.faults.invariants import Round
from tests.faults.load import Answer
from tests.faults.rounds import PROMISES
from tests.registry.versions import JOB, OTHER_JOB, fill, metadata
from tests.tables.revisions import publish


def test_kept_promises_are_not_called_broken(kept: Round) -> None:
    assert broken(kept) == set()


def test_nobody_answers_where_there_is_no_process_that_could(kept: Round) -> None:
    unanswered = replace(kept, answers=[Answer(None)])
    assert broken(replace(unanswered, spares_the_api=False)) == set()
    assert broken(unanswered) == {"every_question_is_answered"}


def test_a_job_on_what_was_deleted_has_nothing_to_show(kept: Round) -> None:
    kept.ledger.accepted[JOB] = ["flats/cross"]
    kept.ledger.published = {"flats/cross/1": JOB}
    kept.ledger.published_before = {"flats/cross/1": JOB}
    kept.ledger.history = {}
    kept.ledger.forget("flats")
    kept.ledger.read_versions()
    assert not {"what_succeeded_has_published_all", "every_version_stays"} & broken(kept)


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
    fill(kept.ledger.folder("triples/cross/2"), metadata())
    kept.ledger.published["triples/cross/2"] = JOB
    kept.ledger.jobs[JOB]["results"].append({"model": "cross", "version": 2})
    return kept


def lose_a_version(kept: Round) -> Round:
    kept.ledger.published_before["triples/dense/1"] = JOB
    return kept


def use_a_number_again(kept: Round) -> Round:
    kept.ledger.published_before["triples/cross/1"] = OTHER_JOB
    return kept


def publish_half(kept: Round) -> Round:
    kept.ledger.accepted[JOB] = ["triples/dense", "triples/cross"]
    return kept


def publish_what_is_cancelled(kept: Round) -> Round:
    fill(kept.ledger.folder("triples/cross/2"), metadata(job_id=OTHER_JOB))
    kept.ledger.published["triples/cross/2"] = OTHER_JOB
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
    (kept.ledger.folder("triples/cross/1") / "saved_model.pb").write_bytes(b"gra")
    return kept


def overlook_damage(kept: Round) -> Round:
    kept.ledger.damaged = {kept.ledger.folder("triples/dense/2")}
    return kept


def call_a_whole_version_damaged(kept: Round) -> Round:
    kept.ledger.named = {"triples/cross/1"}
    return kept


def serve_what_is_damaged(kept: Round) -> Round:
    kept.ledger.damaged = {kept.ledger.folder("triples/cross/1")}
    return kept


def take_over_twice(kept: Round) -> Round:
    kept.ledger.history["triples/cross"] *= 2
    return kept


def take_over_for_another(kept: Round) -> Round:
    kept.ledger.history["triples/cross"][-1]["job_id"] = OTHER_JOB
    return kept


def do_not_take_over(kept: Round) -> Round:
    kept.ledger.history["triples/cross"].pop()
    return kept


def lose_a_revision(kept: Round) -> Round:
    kept.ledger.listed = []
    return kept


def change_a_revision(kept: Round) -> Round:
    kept.ledger.listed = [kept.ledger.listed[0]._replace(sha256="another")]
    return kept


def list_what_was_only_begun(kept: Round) -> Round:
    kept.ledger.listed.append(kept.ledger.listed[0]._replace(number=2))
    return kept


def give_a_revision_twice(kept: Round) -> Round:
    kept.ledger.revisions.append(kept.ledger.revisions[0]._replace(sha256="another"))
    return kept


def store_half(kept: Round) -> Round:
    (Tables(kept.ledger.artifacts).folder("houses", 1) / "data.parquet").unlink()
    return kept


def store_what_was_refused(kept: Round) -> Round:
    publish(Tables(kept.ledger.artifacts), "houses", b"other rows")
    return kept


def delete_half(kept: Round) -> Round:
    (kept.ledger.artifacts / "flats").mkdir()
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
        (lose_a_version, invariants.every_version_stays),
        (use_a_number_again, invariants.every_version_stays),
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
        (do_not_take_over, invariants.who_is_to_take_over_does),
        (lose_a_revision, invariants_of_tables.every_accepted_revision_stays),
        (change_a_revision, invariants_of_tables.every_accepted_revision_stays),
        (list_what_was_only_begun, invariants_of_tables.nothing_else_is_listed),
        (give_a_revision_twice, invariants_of_tables.no_revision_is_given_twice),
        (store_half, invariants_of_tables.every_revision_is_whole),
        (store_what_was_refused, invariants_of_tables.every_revision_is_whole),
        (delete_half, invariants_of_tables.what_is_deleted_is_gone),
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
    return {each.__name__ for each in [*PROMISES, invariants.it_is_ready_soon] if any(each(round_))}
