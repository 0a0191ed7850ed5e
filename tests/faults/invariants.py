"""What must hold after every round: each function names a promise and yields how it was broken."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from service.registry.manifest import Damaged, verify
from tests.faults.ledger import Ledger
from tests.faults.load import Answer

READY_SECONDS = 10.0

ENDED = {"succeeded", "failed", "cancelled"}


@dataclass(frozen=True)
class Round:
    """What happened in the last round, beside what the ledger keeps."""

    ledger: Ledger
    answers: list[Answer]
    disorderly: list[str]
    seconds_to_ready: float
    spares_the_api: bool
    may_fail_jobs: bool


def every_accepted_job_has_ended(round_: Round) -> Iterator[str]:
    """No job is lost, none is running for ever."""
    for job_id in round_.ledger.accepted:
        job = round_.ledger.jobs.get(job_id)
        if job is None or job["status"] not in ENDED:
            yield f"job {job_id} is {job and job['status']}"


def nobody_else_has_a_job(round_: Round) -> Iterator[str]:
    """A repeated request makes no second job."""
    for job_id in round_.ledger.jobs.keys() - round_.ledger.accepted.keys():
        yield f"job {job_id} is one that nobody posted"


def every_job_ends_once(round_: Round) -> Iterator[str]:
    """What has ended stays as it ended."""
    for job_id, before in round_.ledger.before.items():
        after = round_.ledger.jobs.get(job_id, {})
        for part in ("status", "error", "results"):
            if before[part] != after.get(part):
                yield f"{part} of job {job_id} was {before[part]}, now it is {after.get(part)}"


def no_version_is_published_twice(round_: Round) -> Iterator[str]:
    """One version for each job and model."""
    published = round_.ledger.published.items()
    found = Counter((key.rpartition("/")[0], job_id) for key, job_id in published)
    for (network, job_id), count in found.items():
        if count > 1:
            yield f"job {job_id} has published {network} {count} times"


def every_version_stays(round_: Round) -> Iterator[str]:
    """A number is that of one version for ever."""
    for key, job_id in round_.ledger.published_before.items():
        if round_.ledger.published.get(key) != job_id:
            yield f"{key} was of job {job_id}, now of {round_.ledger.published.get(key)}"


def what_succeeded_has_published_all(round_: Round) -> Iterator[str]:
    """A job's results are its versions on the disk, one for each of its networks."""
    for job_id in round_.ledger.accepted.keys() - round_.ledger.bygone:
        job = round_.ledger.jobs.get(job_id)
        if job is not None and job["status"] == "succeeded":
            wanted = set(round_.ledger.accepted[job_id])
            told = {f"{result['model']}/{result['version']}" for result in job["results"]}
            found = {key for key, owner in round_.ledger.published.items() if owner == job_id}
            if {key.partition("/")[2] for key in found} != told or {
                key.rpartition("/")[0] for key in found
            } != wanted:
                yield f"job {job_id} was to train {wanted}, tells of {told}, published {found}"


def what_did_not_succeed_has_published_nothing(round_: Round) -> Iterator[str]:
    """A failed or cancelled job leaves no version."""
    for key, owner in round_.ledger.published.items():
        job = round_.ledger.jobs.get(owner)
        if job is None or job["status"] != "succeeded":
            yield f"{key} is of job {owner}, which {job and job['status']}: {job and job['error']}"


def cancelled_is_cancelled(round_: Round) -> Iterator[str]:
    """Who was told that a job is cancelled was told the truth; nobody else's is."""
    for job_id, job in round_.ledger.jobs.items():
        if job_id in round_.ledger.cancelled and job["status"] != "cancelled":
            yield f"job {job_id} was cancelled and {job['status']}"
        if job["status"] == "cancelled" and job_id not in round_.ledger.doomed:
            yield f"job {job_id} is cancelled, and nobody asked for it"


def jobs_fail_for_a_reason(round_: Round) -> Iterator[str]:
    """Only some faults may fail a job; after the others it runs again."""
    for job_id, job in round_.ledger.jobs.items():
        if job["status"] == "failed" and job_id not in round_.ledger.before:
            if not round_.may_fail_jobs:
                yield f"job {job_id} failed: {job['error']}"
            elif not job["error"]:
                yield f"job {job_id} failed without a word"


def every_version_is_whole(round_: Round) -> Iterator[str]:
    """A version is on the disk as it was sealed, unless it was damaged on purpose."""
    for key in round_.ledger.published:
        if round_.ledger.folder(key) not in round_.ledger.damaged:
            try:
                verify(round_.ledger.folder(key))
            except Damaged as damage:
                yield f"{key} is damaged: {damage}"


def what_is_damaged_is_named(round_: Round) -> Iterator[str]:
    """All that was damaged and nothing else."""
    damaged = round_.ledger.names_of_damaged()
    if damaged != round_.ledger.named:
        yield f"{damaged} were damaged, {round_.ledger.named} are named"


def what_serves_is_whole(round_: Round) -> Iterator[str]:
    """No damaged version is the serving one, and another one is."""
    for network in round_.ledger.networks():
        number = round_.ledger.serving.get(network)
        if number is None or round_.ledger.folder(f"{network}/{number}") in round_.ledger.damaged:
            yield f"version {number} of {network} serves"


def no_version_takes_over_twice(round_: Round) -> Iterator[str]:
    """The history tells once of each version that took over, and names its job."""
    for network, changes in round_.ledger.history.items():
        made = [(change["version"], change["job_id"]) for change in changes if change["job_id"]]
        for (version, job_id), count in Counter(made).items():
            if count > 1:
                yield f"version {version} of {network} took over {count} times"
            if round_.ledger.published.get(f"{network}/{version}") != job_id:
                yield f"version {version} of {network} is not of job {job_id}"


def who_is_to_take_over_does(round_: Round) -> Iterator[str]:
    """The versions of a job that says so have served."""
    for job_id in round_.ledger.accepted.keys() - round_.ledger.bygone:
        job = round_.ledger.jobs.get(job_id)
        if job and job["status"] == "succeeded" and job["config"]["promote"] == "always":
            for network in round_.ledger.accepted[job_id]:
                changes = round_.ledger.history.get(network)
                if changes is not None and job_id not in {each["job_id"] for each in changes}:
                    yield f"job {job_id} has not taken over of {network}"


def every_question_is_answered(round_: Round) -> Iterator[str]:
    """`/predict` answers, unless there is no process that could."""
    for answer in failed(round_):
        yield f"/predict: {answer.status} {answer.body}"


def every_answer_is_right(round_: Round) -> Iterator[str]:
    """Predictions are those of the version that they name."""
    for answer in wrong(round_):
        yield f"/predict: {answer.body}"


def every_refusal_is_orderly(round_: Round) -> Iterator[str]:
    """Whatever goes wrong, no request gets an answer that says no more than 500."""
    yield from round_.disorderly


def it_is_ready_soon(round_: Round) -> Iterator[str]:
    """Ready again within ten seconds of the fault's end."""
    if round_.seconds_to_ready > READY_SECONDS:
        yield f"ready after {round_.seconds_to_ready:.1f} s"


PROMISES: list[Callable[[Round], Iterator[str]]] = [
    every_accepted_job_has_ended,
    nobody_else_has_a_job,
    every_job_ends_once,
    no_version_is_published_twice,
    every_version_stays,
    what_succeeded_has_published_all,
    what_did_not_succeed_has_published_nothing,
    cancelled_is_cancelled,
    jobs_fail_for_a_reason,
    every_version_is_whole,
    what_is_damaged_is_named,
    what_serves_is_whole,
    no_version_takes_over_twice,
    who_is_to_take_over_does,
    every_question_is_answered,
    every_answer_is_right,
    every_refusal_is_orderly,
]
"""All but `it_is_ready_soon`, which holds where nothing else runs beside."""


def failed(round_: Round) -> list[Answer]:
    """Questions that a living service did not answer, or that were refused."""
    return [
        answer
        for answer in round_.answers
        if answer.status != 200 and (answer.status is not None or round_.spares_the_api)
    ]


def wrong(round_: Round) -> list[Answer]:
    """Answers that are not what the version gives."""
    return [
        answer
        for answer in round_.answers
        if answer.status == 200
        and not (
            answer.version in round_.ledger.predictions
            and np.allclose(
                answer.body["predictions"],
                round_.ledger.predictions[answer.version],
                rtol=1e-6,
                atol=1e-7,
            )
        )
    ]
