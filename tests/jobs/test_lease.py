"""The lock of a worker, on a real Postgres."""

import itertools
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import pytest
from sqlalchemy import Engine, text

from service.clock import now
from service.jobs import lease
from service.jobs.lease import OVER_SECONDS, Lease
from service.jobs.rescue import rescue
from service.jobs.workers import why_down

END_SESSIONS = text("""
    SELECT pg_terminate_backend(pid) FROM pg_locks
    WHERE locktype = 'advisory' AND database = (
        SELECT oid FROM pg_database WHERE datname = current_database()
    )
""")
LOCKS = text("""
    SELECT count(*) FROM pg_locks
    WHERE locktype = 'advisory' AND database = (
        SELECT oid FROM pg_database WHERE datname = current_database()
    )
""")


def ask(engine: Engine, question: object) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(question) or 0)  # type: ignore[call-overload]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_each_worker_has_a_name_of_its_own_and_its_lock(engine: Engine) -> None:
    before = now()
    first, second = Lease(engine), Lease(engine)
    assert first.name != second.name
    assert ask(engine, LOCKS) == 2
    assert before < first.hold() - OVER_SECONDS < now()
    assert not first.is_over


def test_a_lease_is_taken_again_after_its_session_ended(engine: Engine) -> None:
    mine = Lease(engine)
    ask(engine, END_SESSIONS)
    assert mine.hold() > now()
    assert ask(engine, LOCKS) == 1


def test_who_was_taken_for_dead_never_comes_back(engine: Engine) -> None:
    judged = Lease(engine)
    ask(engine, END_SESSIONS)
    rescue(engine, "another", "train", spared_seconds=0)
    threading.Thread(target=judged.hold, daemon=True).start()
    until(lambda: judged.is_over)
    assert why_down(engine) == f"the worker {judged.name} died"


def test_a_word_is_told_at_whatever_step_of_a_ping_it_is_said(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "TELL_SECONDS", 0)
    monkeypatch.setattr(Lease, "_keep", lambda lease: threading.Event().wait())  # only this pings
    mine = Lease(engine)
    for step in itertools.count(1):
        mine.say("starting")
        steps = steps_of_a_ping(mine, step, partial(mine.say, "failed", f"said at {step}"))
        if steps < step:
            break
        mine.hold()
        assert why_down(engine) == f"the worker {mine.name} cannot train: said at {step}"


def steps_of_a_ping(mine: Lease, step: int, do: Callable[[], None]) -> int:
    """Pings, and does something just before one line of that; returns how many lines it has."""
    steps = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal steps
        if frame.f_code is not Lease._ping.__code__:
            return None
        if event == "line":
            steps += 1
            if steps == step:
                do()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        mine.hold()
    finally:
        sys.settrace(before)
    return steps
