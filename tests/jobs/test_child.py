"""What the worker does when no child can be started; all else is in test_service_faults.py."""

import math
from pathlib import Path
from typing import Any

import pytest

from models.config import TrainConfig
from service.jobs import child
from service.jobs.store import JobStore
from service.registry.staging import Staging
from service.settings import Settings
from tests.registry.versions import JOB

pytestmark = pytest.mark.anyio


class Started(Exception):
    """Ends a test in the moment in which a child would start."""


async def run(artifacts: Path) -> Any:
    def on_news(kind: str, told: Any) -> None:
        raise AssertionError

    settings = Settings(artifacts_dir=artifacts)
    parts = JobStore(settings).parts
    work = child.Work(JOB, TrainConfig(), settings, on_news, lambda: math.inf, parts)
    return await child.run(work)


@pytest.fixture
def refusals(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """What the next attempts to start a child meet."""
    to_come: list[Exception] = []

    def start(*_: object) -> None:
        raise to_come.pop(0)

    monkeypatch.setattr(child, "_start_once", start)
    monkeypatch.setattr(child, "START_AGAIN_SECONDS", 0)
    monkeypatch.setattr(child, "PUBLISH_AGAIN_SECONDS", 0)
    return to_come


@pytest.mark.parametrize("refusal", [EOFError(), ConnectionRefusedError(), OSError("no memory")])
async def test_a_child_that_cannot_be_started_is_tried_again(
    tmp_path: Path, refusals: list[Exception], refusal: Exception
) -> None:
    refusals += [refusal, Started()]
    with pytest.raises(Started):
        await run(tmp_path)


async def test_a_job_for_which_no_child_starts_fails_in_plain_words(
    tmp_path: Path, refusals: list[Exception]
) -> None:
    refusals += [EOFError()] * child.START_ATTEMPTS
    with pytest.raises(child.JobFailed, match="no training process could be started"):
        await run(tmp_path)


async def test_a_job_that_publishes_does_not_fail_for_want_of_a_child(
    tmp_path: Path, refusals: list[Exception]
) -> None:
    staging = Staging(tmp_path)
    staging.publish(JOB, staging.begin(JOB))
    refusals += [EOFError()] * child.START_ATTEMPTS + [Started()]
    with pytest.raises(Started):
        await run(tmp_path)
