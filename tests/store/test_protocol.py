"""What must hold whatever dies or comes between any two calls: in the folder and in a store.

Jobs are tried, decided, published, cancelled and forgotten by two machines, in any order, and each
call may be cut short before or after any of the calls that it makes; with a store, the other
machine may do something in between.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from obstore.store import MemoryStore

from models.config import ModelName
from service.errors import NotFound
from service.objects import Objects
from service.registry import promotion
from service.registry.promotion import Judgement
from service.registry.staging import CANCELLED, Staging
from service.registry.versions import Gone, Registry
from service.schemas import Change, Metadata
from service.store.places import stored
from service.store.store import Store
from service.taken_folder import Taken
from tests.registry.versions import fill, metadata

NETWORKS: tuple[ModelName, ...] = ("dense", "cross")

WHERE = st.integers(0, 1)
RECENT = st.integers(0, 2)
"""A job, or an attempt at one: the last, or one of those before."""
NUMBER = st.integers(1, 4)


class Died(BaseException):
    """A process ends here."""


class Step:
    """What happens at one of the next calls of a process."""

    def __init__(self) -> None:
        self._left = 0
        self._what: Callable[[], bool] | None = None

    def plan(self, at: int, what: Callable[[], bool]) -> None:
        """After `at` steps, something happens; it says whether the call's reply is lost then, and
        the call is made again."""
        self._left, self._what = at, what

    def __call__(self) -> bool:
        self._left -= 1
        if self._left or self._what is None:
            return False
        what, self._what = self._what, None
        return what()

    def drop(self) -> None:
        self._what = None


def stepping(of: type, names: tuple[str, ...], step: Step) -> type:
    """A class whose calls are steps: before they are made, and after."""

    def wrapped(name: str) -> Callable[..., Any]:
        def call(self: Any, *arguments: Any, **others: Any) -> Any:
            made = partial(getattr(of, name), self, *arguments, **others)
            if step():
                made()
            result = made()
            return made() if step() else result

        return call

    return type(of.__name__, (of,), {name: wrapped(name) for name in names})


CALLS_OF_OBJECTS = ("get", "create", "swap", "put", "upload", "download", "delete")
CALLS_OF_REGISTRY = ("out", "stand", "add", "point")
CALLS_OF_STAGING = ("begin", "publish", "cancel", "challenger", "remove")


class Machine(NamedTuple):
    registry: Registry
    refresh: Callable[[], object]


class Attempt(NamedTuple):
    job_id: str
    staging: Staging
    taken: Taken


def judge(challenger: Metadata, folder: Path, champion: int | None) -> Judgement:
    """Lets three of four jobs take over."""
    assert (folder / "saved_model.pb").exists()
    return Judgement(int(challenger.job_id[:8], 16) % 4 != 1, f"after {champion}")


class Protocol(RuleBasedStateMachine):
    """Two machines, and what is known for certain of what they have done."""

    can_interleave = True

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.power = patch("os.fsync")  # it does not fail here
        self.power.start()
        self.step = Step()
        self.machines = self.make_machines()
        self.attempts: list[Attempt] = []
        self.jobs: list[str] = []
        self.cancelled: set[str] = set()
        self.ended: set[str] = set()
        self.seen: dict[tuple[str, int], tuple[str, bytes]] = {}
        self.told: dict[str, list[Change]] = {}

    def teardown(self) -> None:
        self.power.stop()
        shutil.rmtree(self.folder)

    def make_machines(self) -> list[Machine]:
        raise NotImplementedError

    @contextmanager
    def dying(self, at: int) -> Iterator[None]:
        """Ends what is done here at one of its calls."""

        def die() -> bool:
            raise Died

        self.step.plan(at, die)
        with suppress(Died, Gone):
            yield
        self.step.drop()

    @rule(where=WHERE, at=st.integers(-20, 12))
    def stage_and_decide(self, where: int, at: int) -> None:
        """A new job, or so much of it."""
        job = str(UUID(int=len(self.jobs) << 96, version=4))
        self.jobs.append(job)
        with self.dying(at):
            self._stage(job, where)
            self._decide(self.attempts[-1])

    @rule(job=RECENT, where=WHERE)
    def stage_again(self, job: int, where: int) -> None:
        """The job was taken for dead."""
        if (tried := self._recent(job)) and tried not in self.ended:
            self._stage(tried, where)

    @rule(which=RECENT, at=st.integers(-20, 12))
    def decide(self, which: int, at: int) -> None:
        """Any attempt may, also one whose job went on elsewhere, or has ended."""
        if which < len(self.attempts):
            with self.dying(at):
                self._decide(self.attempts[-1 - which])

    @rule(job=RECENT, where=WHERE, at=st.integers(-4, 4))
    def cancel(self, job: int, where: int, at: int) -> None:
        if (waiting := self._recent(job)) and waiting not in self.ended:
            with self.dying(at):
                if self.machines[where].registry.staging.cancel(waiting) == CANCELLED:
                    self.cancelled.add(waiting)

    @rule(job=RECENT, where=WHERE, at=st.integers(-20, 40))
    def publish(self, job: int, where: int, at: int) -> None:
        with self.dying(at):
            self._publish(self._recent(job), where)

    @rule(job=RECENT, at=st.integers(1, 40))
    def publish_with_a_reply_lost(self, job: int, at: int) -> None:
        if self.can_interleave:
            self._publish_but(lambda: True, at, job)

    @rule(job=RECENT, others=st.lists(RECENT, min_size=1, max_size=2), at=st.integers(1, 40))
    def publish_while_others_publish(self, job: int, others: list[int], at: int) -> None:
        def meanwhile() -> bool:
            for other in others:
                self._publish(self._recent(other), 1)
            return False

        if self.can_interleave:
            self._publish_but(meanwhile, at, job)

    @rule(job=RECENT, number=NUMBER, at=st.integers(1, 40))
    def publish_while_one_is_promoted(self, job: int, number: int, at: int) -> None:
        def meanwhile() -> bool:
            self._promote(1, number)
            return False

        if self.can_interleave:
            self._publish_but(meanwhile, at, job)

    @rule(number=NUMBER, where=WHERE, at=st.integers(-10, 10))
    def promote(self, number: int, where: int, at: int) -> None:
        with self.dying(at):
            self._promote(where, number)

    @rule(job=RECENT, where=WHERE, at=st.integers(-20, 20))
    def end(self, job: int, where: int, at: int) -> None:
        """A job that is done, cancelled or given up has ended; what it leaves is removed, perhaps
        half."""
        if (done := self._recent(job)) is None:
            return
        staging = self.machines[where].registry.staging
        if done not in self.ended:
            self._publish(done, where)
            self.ended.add(done)
        is_undecided = not self._has(done) and staging.decision(done) is None
        with self.dying(at):
            staging.remove(done)
            if is_undecided:
                self.cancelled.add(done)

    def _has(self, job: str) -> bool:
        return any(job == published for published, _ in self.seen.values())

    def _recent(self, which: int) -> str | None:
        return self.jobs[-1 - which] if which < len(self.jobs) else None

    def _stage(self, job: str, where: int) -> None:
        staging = self.machines[where].registry.staging
        taken = staging.begin(job)
        for name in NETWORKS:
            fill(taken.folder / name, metadata(name, job), taken.folder.name.encode())
        self.attempts.append(Attempt(job, staging, taken))

    def _decide(self, attempt: Attempt) -> None:
        with suppress(FileNotFoundError):  # its job has ended
            attempt.staging.publish(attempt.job_id, attempt.taken)

    def _publish_but(self, what: Callable[[], bool], at: int, job: int) -> None:
        self.step.plan(at, what)
        self._publish(self._recent(job), 0)
        self.step.drop()

    def _publish(self, job: str | None, where: int) -> None:
        registry = self.machines[where].registry
        if job is not None and registry.staging.decision(job) not in (None, CANCELLED):
            promotion.publish(registry, job, judge)

    def _promote(self, where: int, number: int) -> None:
        self.machines[where].refresh()
        with suppress(NotFound):
            promotion.promote(self.machines[where].registry, "cross", number)

    @invariant()
    def nothing_is_lost_doubled_or_changed(self) -> None:
        if not hasattr(self, "machines"):
            return
        for registry, refresh in self.machines:
            refresh()
            for name in NETWORKS:
                jobs = []
                for number in registry.numbers(name):
                    about = registry.metadata(name, number)
                    content = registry.read(name, number, Path("saved_model.pb"))
                    jobs.append(about.job_id)
                    first = self.seen.setdefault((name, number), (about.job_id, content))
                    assert (about.job_id, content) == first
                assert len(set(jobs)) == len(jobs), "a job has two versions of a network"
                assert not self.cancelled & set(jobs), "a cancelled job has a version"
                self._is_a_chain(name, registry.changes(name))
                last = self.told[name][0].version if self.told[name] else None
                assert registry.pointed(name) == last

    def _is_a_chain(self, name: ModelName, changes: list[Change]) -> None:
        before = self.told.get(name, [])
        assert changes[len(changes) - len(before) :] == before, "the history was rewritten"
        made_by = [change.job_id for change in changes if change.job_id]
        assert len(set(made_by)) == len(made_by), "a job took over twice"
        for change, earlier in pairwise(changes):
            assert change.previous == earlier.version
        self.told[name] = changes


class InTheFolder(Protocol):
    """Two processes, one folder; its lock keeps others out while one decides."""

    can_interleave = False

    def make_machines(self) -> list[Machine]:
        registry = stepping(Registry, CALLS_OF_REGISTRY, self.step)(self.folder)
        registry.prepare()
        registry.staging = stepping(Staging, CALLS_OF_STAGING, self.step)(self.folder)
        return [Machine(registry, lambda: None)] * 2


class InAStore(Protocol):
    """Two machines that share nothing but a store."""

    def make_machines(self) -> list[Machine]:
        objects = stepping(Objects, CALLS_OF_OBJECTS, self.step)(MemoryStore())
        made = []
        for name in ("here", "there"):
            store = Store(objects, self.folder / name)
            registry = stored(self.folder / name, store).registry
            registry.prepare()
            made.append(Machine(registry, store.refresh))
        return made


OFTEN = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

TestInTheFolder = InTheFolder.TestCase
TestInTheFolder.settings = OFTEN
TestInAStore = InAStore.TestCase
TestInAStore.settings = OFTEN
