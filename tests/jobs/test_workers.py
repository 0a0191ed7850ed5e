"""What Postgres knows of workers."""

import pytest
from sqlalchemy import Engine, text

from service.jobs.lease import Lease
from service.jobs.worker_state import State
from service.jobs.workers import make_table, why_down

GONE = text("""
    INSERT INTO crosscheck.workers
    VALUES (:name, :state, :reason, now() - make_interval(secs => :ago))
""")


def add(engine: Engine, name: str, state: State, reason: str = "", ago: float = 0) -> None:
    """A worker that is gone."""
    with engine.begin() as connection:
        connection.execute(GONE, {"name": name, "state": state, "reason": reason, "ago": ago})


def test_without_a_worker_it_is_said_how_to_start_one(engine: Engine) -> None:
    assert why_down(engine) == "no worker has been started: `crosscheck worker` is one"


def test_a_worker_is_up_once_it_is_ready(engine: Engine) -> None:
    worker = Lease(engine)
    assert why_down(engine) == f"the worker {worker.name} is starting"
    worker.say("starting", "it waits")
    assert why_down(engine) == f"the worker {worker.name} is starting: it waits"
    worker.say("ready")
    assert why_down(engine) is None
    worker.say("stopped")
    assert why_down(engine) == f"the worker {worker.name} was stopped"


def test_one_that_lives_is_found_among_any_number_that_are_gone(engine: Engine) -> None:
    worker = Lease(engine)
    worker.say("ready")
    for number in range(100):
        add(engine, str(number), "ready", ago=-number)
    assert why_down(engine) is None


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("starting", "died as it started"),
        ("ready", "died"),
        ("failed", "cannot train: no memory"),
        ("stopped", "was stopped"),
        ("died", "died"),
    ],
)
def test_of_several_that_are_gone_the_last_to_speak_says_why(
    engine: Engine, state: State, why: str
) -> None:
    add(engine, "a", "stopped", ago=70)
    add(engine, "b", state, "no memory", ago=65)
    add(engine, "c", "stopped", ago=80)
    assert why_down(engine) == f"the worker b {why}"


def test_why_one_failed_is_known_while_the_next_only_starts(engine: Engine) -> None:
    add(engine, "a", "failed", "no memory", ago=30)
    worker = Lease(engine)
    assert why_down(engine) == "the worker a cannot train: no memory"
    worker.say("ready")
    assert why_down(engine) is None


def test_the_table_is_made_once_by_whoever_comes_first(engine: Engine) -> None:
    with engine.begin() as connection:
        make_table(connection)
        make_table(connection)
