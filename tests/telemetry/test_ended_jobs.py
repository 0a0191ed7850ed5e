"""Jobs that have ended are counted once."""

from service.jobs.rows import Ended
from service.telemetry import ended_jobs
from service.telemetry.counting import Told
from service.telemetry.ended_jobs import OVERLAP_SECONDS, begin
from service.telemetry.tally import JOB_ATTEMPTS, JOB_DURATION, JOBS_ENDED


def ended(job: str, at: float, seconds: float | None = 2.0, attempts: int = 1) -> Ended:
    return Ended(job, "succeeded", at, seconds, attempts)


def test_each_job_is_counted_once_however_often_it_is_seen() -> None:
    told = Told(since=1000.0)
    for _ in range(3):
        ended_jobs.count(told, [ended("a", 1001.0), ended("b", 1002.0, attempts=2)])
    assert told.tally.counts[JOBS_ENDED, "succeeded"] == 2
    assert told.tally.counts[JOB_ATTEMPTS, "succeeded"] == 3
    assert told.tally.histograms[JOB_DURATION, "succeeded"][-1] == 4.0


def test_a_job_that_never_began_has_no_duration() -> None:
    told = Told(since=1000.0)
    ended_jobs.count(told, [Ended("a", "cancelled", 1001.0, None, 0)])
    assert told.tally.counts[JOBS_ENDED, "cancelled"] == 1
    assert not told.tally.histograms


def test_each_look_goes_back_a_little_and_never_before_the_start() -> None:
    told = Told(since=1000.0)
    assert begin(told) == 1000.0
    ended_jobs.count(told, [ended("a", 1030.0)])
    assert begin(told) == 1000.0
    ended_jobs.count(told, [ended("b", 2000.0)])
    assert begin(told) == 2000.0 - OVERLAP_SECONDS


def test_what_no_look_can_find_any_more_is_forgotten() -> None:
    told = Told(since=0.0)
    for number in range(1000):
        ended_jobs.count(told, [ended(str(number), number * 10.0)])
    assert len(told.jobs_seen) == 1 + OVERLAP_SECONDS / 10
    assert told.tally.counts[JOBS_ENDED, "succeeded"] == 1000
