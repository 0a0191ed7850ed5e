"""A look at all rows that several share, whoever does what of it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.config import TableDataset, TrainConfig
from models.least_squares import LeastSquares
from models.table import prepare
from models.training import table_training
from service.jobs import looks
from service.jobs.looks import LOOK, Helpers, Looks, help_to_look
from service.registry.staging import Staging
from tests.models.tables import Apart, make_table

JOB = "5ca1ab1e-0000-4000-8000-000000000000"
SMALL_MEMORY = 4000


class Worker:
    """What a child asks: who is at work."""

    def __init__(self, *at_work: str) -> None:
        self.at_work = set(at_work)
        self.offered: list[Any] = []

    def tell(self, offers: Any) -> None:
        self.offered.append(offers)

    def ask(self, finds: str) -> tuple[bool, None]:
        return finds in self.at_work, None


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "AGAIN_SECONDS", 0.001)
    monkeypatch.setattr(looks, "LONGEST_SECONDS", 0.01)
    monkeypatch.setattr(looks, "ALIVE_SECONDS", 0.01)


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(tmp_path / "artifacts")


@pytest.fixture
def problem(tmp_path: Path) -> LeastSquares:
    """Each call of a helper's makes its own."""
    return problem_in(tmp_path)


def problem_in(folder: Path) -> LeastSquares:
    file, schema = make_table(folder, rows=500, row_group_rows=30)
    numbers = tuple(column for column in schema.features if column.kind == "numeric")
    schema = schema.model_copy(update={"features": numbers})
    dataset = TableDataset(kind="table", name="houses")
    config = TrainConfig.model_validate(
        {"dataset": dataset, "optimizer": {"name": "levenberg_marquardt"}, "models": ["cross"]}
    )
    table = prepare(Apart(file.path), schema, dataset, folder / "rows", SMALL_MEMORY, "float64")
    found = table_training("cross", table, config).trainer.problem
    assert found is not None
    assert len(found.apart) == 17
    return found


def weights_of(problem: LeastSquares) -> Any:
    return np.random.default_rng(0).normal(size=sum(problem.sizes))


def look(problem: LeastSquares, staging: Staging, worker: Any) -> Looks:
    return Looks("cross", problem, staging, JOB, "attempt", worker, Helpers(lambda most: None))


@contextmanager
def helping(problem: LeastSquares, staging: Staging, worker: Any, helper: str) -> Iterator[None]:
    arguments = (staging, JOB, helper, worker, lambda network: problem)
    thread = threading.Thread(target=help_to_look, args=arguments)
    thread.start()
    yield
    staging.drop_parts(JOB, [LOOK])
    thread.join()


def test_what_comes_of_it_does_not_depend_on_who_has_helped(
    problem: LeastSquares, staging: Staging, tmp_path: Path
) -> None:
    alone = [problem.look_at_all(weights_of(problem) + shift) for shift in range(5)]
    worker = Worker(JOB, "one", "two")
    asks = look(problem, staging, worker)
    others = [tmp_path / name for name in ("one", "two")]
    for folder in others:
        folder.mkdir()
    one, two = map(problem_in, others)
    found = [asks(weights_of(problem))]
    for number, helper in ((2, "one"), (3, "two"), (4, "one"), (5, "two")):
        staging.claim_part(JOB, f"attempt-cross-{number}-4", helper)
    with helping(one, staging, worker, "one"), helping(two, staging, worker, "two"):
        found += [asks(weights_of(problem) + shift) for shift in range(1, 5)]
    assert [each.tobytes() for each in found] == [each.tobytes() for each in alone]


def test_what_a_dead_helper_has_claimed_is_looked_at_by_the_job(
    problem: LeastSquares, staging: Staging
) -> None:
    for start in (0, 5):
        staging.claim_part(JOB, f"attempt-cross-1-{start}", "dead")
    found = look(problem, staging, Worker())(weights_of(problem))
    assert found.tobytes() == problem.look_at_all(weights_of(problem)).tobytes()


def test_what_a_helper_leaves_is_taken_as_it_is(problem: LeastSquares, staging: Staging) -> None:
    staging.claim_part(JOB, "attempt-cross-1-3", "helper")
    width = len(weights_of(problem)) + 1
    staging.keep_part(JOB, "attempt-cross-1-3", np.full((width, width), 1e6).tobytes())
    found = look(problem, staging, Worker())(weights_of(problem))
    assert np.abs(found).max() > 1e6


def test_of_all_looks_only_the_last_one_is_kept(problem: LeastSquares, staging: Staging) -> None:
    asks = look(problem, staging, Worker())
    for _ in range(3):
        asks(weights_of(problem))
    names = {path.name for path in (staging.folder(JOB) / "parts").iterdir()}
    assert names == {LOOK, *(f"attempt-cross-3-{start}.claim" for start in range(17))}


def test_a_helper_leaves_when_its_memory_is_of_another_size(
    problem: LeastSquares, staging: Staging
) -> None:
    look(problem, staging, Worker())(weights_of(problem))
    arguments: Any = (staging, JOB, "helper", Worker(JOB), lambda network: None)
    help_to_look(*arguments)


def test_a_helper_leaves_when_nothing_is_asked_any_more(
    problem: LeastSquares, staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "IDLE_SECONDS", 0.05)
    look(problem, staging, Worker())(weights_of(problem))
    arguments: Any = (staging, JOB, "helper", Worker(JOB), lambda network: problem)
    help_to_look(*arguments)


def test_those_who_came_are_asked_again_once_they_have_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queued: list[int] = []
    helpers = Helpers(queued.append)
    helpers.ask(32)
    helpers.came({"one", "two"})
    helpers.ask(32)
    assert queued == [31]
    monkeypatch.setattr(looks, "IDLE_SECONDS", 0.0)
    helpers.ask(32)
    helpers.ask(32)
    assert queued == [31, 2]


def test_a_helper_leaves_when_the_job_is_not_at_work_any_more(
    problem: LeastSquares, staging: Staging
) -> None:
    look(problem, staging, Worker())(weights_of(problem))
    arguments: Any = (staging, JOB, "helper", Worker(), lambda network: problem)
    help_to_look(*arguments)
