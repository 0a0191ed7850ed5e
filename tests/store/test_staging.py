"""Decisions in a store, and what is removed once a job has ended."""

from datetime import timedelta
from typing import Any

import pytest

from service.objects import Objects
from service.registry import promotion
from service.registry.staging import CANCELLED, Verdict
from service.store import staging
from service.store.files import File, upload
from service.store.places import Places
from tests.registry.versions import JOB, OTHER_JOB, as_told, fill, metadata, stage
from tests.store.machines import keys


def test_the_first_decision_of_any_machine_stands(here: Places, there: Places) -> None:
    stage(here.registry, metadata())
    decided = here.registry.staging.decision(JOB)
    assert decided is not None
    assert there.registry.staging.cancel(JOB) == decided
    attempt = there.registry.staging.begin(JOB)
    fill(attempt.folder / "cross", metadata())
    assert there.registry.staging.publish(JOB, attempt) == decided


def test_a_zombie_of_a_job_that_has_ended_publishes_nothing(here: Places, there: Places) -> None:
    zombie = here.registry.staging.begin(JOB)
    fill(zombie.folder / "cross", metadata())
    there.registry.staging.remove(JOB)
    assert here.registry.staging.publish(JOB, zombie) == CANCELLED


def test_what_attempts_have_written_in_vain_is_removed(
    here: Places, there: Places, objects: Objects
) -> None:
    late = there.registry.staging.begin(JOB)
    fill(late.folder / "cross", metadata())
    stage(here.registry, metadata())
    there.registry.staging.publish(JOB, late)
    promotion.publish(here.registry, JOB, as_told)
    assert len([key for key in keys(objects) if key.endswith("saved_model.pb")]) == 2
    assert there.registry.staging.jobs() == [JOB]
    there.registry.staging.remove(JOB)
    assert len([key for key in keys(objects) if key.endswith("saved_model.pb")]) == 1
    left = [f"jobs/{JOB}/late/{late.folder.name}", f"jobs/{JOB}/verdict"]
    assert keys(objects, f"jobs/{JOB}/") == left
    assert there.registry.staging.jobs() == []
    there.registry.folder("cross", 1)


def test_what_an_attempt_goes_on_to_write_after_its_job_was_removed_is_removed_after_a_day(
    here: Places, there: Places, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = here.registry.staging.begin(JOB)
    fill(attempt.folder / "cross", metadata())

    def late(*arguments: Any) -> list[File]:
        there.registry.staging.cancel(JOB)
        there.registry.staging.remove(JOB)
        return upload(*arguments)

    monkeypatch.setattr(staging, "upload", late)
    assert here.registry.staging.publish(JOB, attempt) == CANCELLED
    assert there.registry.staging.jobs() == []
    monkeypatch.setattr(staging, "VERDICT_KEPT", timedelta(0))
    assert there.registry.staging.jobs() == [JOB]
    there.registry.staging.remove(JOB)
    assert keys(objects) == []


def test_a_part_is_claimed_and_brought_across_machines_and_goes_with_the_job(
    here: Places, there: Places, objects: Objects
) -> None:
    part = "dense-rows-1-42"
    assert here.registry.staging.claim_part(JOB, part, "a helper") == "a helper"
    assert there.registry.staging.claim_part(JOB, part, "another one") == "a helper"
    assert there.registry.staging.part(JOB, part) is None
    here.registry.staging.keep_part(JOB, part, b"trained")
    assert there.registry.staging.part(JOB, part) == b"trained"
    stage(there.registry, metadata())
    there.registry.staging.remove(JOB)
    here.registry.staging.keep_part(JOB, part, b"too late")
    assert here.registry.staging.jobs() == [JOB]
    here.registry.staging.remove(JOB)
    assert keys(objects, f"jobs/{JOB}/") == [f"jobs/{JOB}/verdict"]


def test_a_decision_is_forgotten_after_a_while(
    here: Places, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.registry.staging.cancel(OTHER_JOB)
    assert here.registry.staging.jobs() == []
    monkeypatch.setattr(staging, "VERDICT_KEPT", timedelta(0))
    assert here.registry.staging.jobs() == [OTHER_JOB]
    here.registry.staging.remove(OTHER_JOB)
    assert keys(objects) == []


def test_what_is_staged_for_a_dataset_that_is_gone_is_cancelled(here: Places) -> None:
    config = metadata().config.model_copy(update={"dataset": {"kind": "table", "name": "houses"}})
    about = metadata().model_copy(
        update={"config": type(config).model_validate(config.model_dump(warnings=False))}
    )
    stage(here.registry, about)
    assert here.registry.staging.decision(JOB) == CANCELLED


def test_what_is_staged_for_a_dataset_of_which_the_name_is_anothers_is_cancelled(
    here: Places,
) -> None:
    attempt = here.registry.staging.begin(JOB)
    fill(attempt.folder / "cross", metadata())
    assert here.registry.staging.publish(JOB, attempt, "another life") == CANCELLED
    attempt = here.registry.staging.begin(OTHER_JOB)
    fill(attempt.folder / "cross", metadata(job_id=OTHER_JOB))
    decided = here.registry.staging.publish(OTHER_JOB, attempt, here.registry.life)
    assert decided == Verdict(attempt.folder.name)
