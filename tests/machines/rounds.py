"""Rounds of a fleet: people ask for this and that, faults strike, all heals; then the promises."""

import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import httpx
import pytest
from obstore.exceptions import BaseError

from models.config import COMPARED
from models.schema import TRIPLES
from service.errors import CrosscheckError
from service.store.places import Places, places
from tests.conftest import SMALL
from tests.faults import invariants as of_jobs
from tests.faults import invariants_of_tables as of_tables
from tests.faults.invariants import ENDED, Round
from tests.faults.ledger import Job, Ledger, Revision
from tests.faults.load import Answer
from tests.faults.rounds import all_jobs, upload_the_first
from tests.machines.events import Answered, Deleted, Event, Made, Predicts, Seen
from tests.machines.faults import FAULTS, SETTLING_SECONDS, Fault, Scene
from tests.machines.fleet import START_SECONDS, WRONG_CLOCKS, Fleet, fleet
from tests.machines.invariants import Invariant, takeovers
from tests.machines.owner import TABLE, OwnerInFleet, small_job_on
from tests.machines.people import NETWORK, Asker, Poster, Promoter, Watcher

PROMISES = [
    of_jobs.every_accepted_job_has_ended,
    of_jobs.nobody_else_has_a_job,
    of_jobs.every_job_ends_once,
    of_jobs.no_version_is_published_twice,
    of_jobs.every_version_stays,
    of_jobs.what_succeeded_has_published_all,
    of_jobs.what_did_not_succeed_has_published_nothing,
    of_jobs.cancelled_is_cancelled,
    of_jobs.jobs_fail_for_a_reason,
    of_jobs.every_version_is_whole,
    of_jobs.no_version_takes_over_twice,
    of_jobs.who_is_to_take_over_does,
    of_tables.every_accepted_revision_stays,
    of_tables.nothing_else_is_listed,
    of_tables.no_revision_is_given_twice,
    of_tables.every_revision_is_whole,
    of_jobs.every_question_is_answered,
    of_jobs.every_refusal_is_orderly,
]

ROUNDS_OF_A_FLEET = 40
"""Then another one starts from nothing, so that rounds do not slow down."""


@dataclass(frozen=True)
class Outcome:
    """One round's faults, and what the promises say."""

    faults: str
    seconds: float
    broken: list[str]
    asked: int = 0
    slowest: float = 0.0
    """Of the answers, in seconds."""
    takeovers: list[float] = field(default_factory=list)
    """After how many seconds others ran the jobs of dead workers."""
    logs: Path | None = None
    """Where those of a broken round are."""


def play(
    rounds: int, random: Random, most_jobs: int, invariants: Sequence[Invariant]
) -> Iterator[Outcome]:
    """Plays rounds; after a broken one the next has a new fleet, so that each counts once."""
    faults = _in_random_order(random)
    number = 0
    while number < rounds:
        with fleet(clocks=WRONG_CLOCKS) as machines, _Campaign(machines, random) as campaign:
            for _ in range(ROUNDS_OF_A_FLEET):
                outcome = campaign.play_one(next(faults), most_jobs, invariants)
                yield replace(outcome, logs=campaign.keep()) if outcome.broken else outcome
                number += 1
                if outcome.broken or number == rounds:
                    break


def _in_random_order(random: Random) -> Iterator[list[Fault]]:
    """All of them, one after the other; half of the time with another one at once."""
    while True:
        for fault in random.sample(FAULTS, len(FAULTS)):
            others = [each for each in FAULTS if each.strikes != fault.strikes]
            yield [fault, random.choice(others)] if random.random() < 0.5 else [fault]


class _Campaign:
    """A fleet, those who ask it all the time, and a machine of our own that looks at the store."""

    def __init__(self, machines: Fleet, random: Random) -> None:
        self._fleet = machines
        self._random = random
        self._events: list[Event] = []
        self._lives: set[Event] = set()
        """Of the table, with all that was ever read of it."""
        self._stack = ExitStack()

    def __enter__(self) -> "_Campaign":
        machines = self._fleet
        own = Path(self._stack.enter_context(TemporaryDirectory()))
        patch = self._stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in machines.store.environment.items():
            patch.setenv(name, value)
        self._places: Places = places(own, machines.store_url)
        self._places.registry.prepare()
        self._ledger = Ledger(own)
        self._ledger.tables = self._places.tables
        machines.wait_until_ready()
        upload_the_first(TABLE, machines.front, self._ledger, self._random)
        for config in ({**SMALL, "seed": 42}, {**SMALL, "seed": 43}, small_job_on(TABLE)):
            job_id = machines.front.train(**config, promote="always")
            self._ledger.jobs[job_id] = job = machines.front.wait_for(job_id)
            assert job["status"] == "succeeded", job
            self._ledger.accept(self._ledger.jobs[job_id])
        self._look_at_versions()
        machines.front.until(lambda: _serves_everywhere(machines))
        for name, dataset in (("carrier", TRIPLES), ("passer", TRIPLES), ("carrier", TABLE)):
            asker = Asker(machines.front, self._own_random(), self._events, name, dataset)
            self._stack.enter_context(asker)
        self._stack.enter_context(Watcher(machines, self._own_random(), self._events))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def play_one(
        self, faults: list[Fault], most_jobs: int, invariants: Sequence[Invariant]
    ) -> Outcome:
        """Plays a round."""
        began, ledger, machines = time.monotonic(), self._ledger, self._fleet
        names = " + ".join(fault.name for fault in faults)
        self._events.clear()
        jobs = self._random.randint(1, most_jobs)
        poster = Poster(machines.front, self._own_random(), ledger, jobs)
        promoter = Promoter(machines, self._own_random(), ledger, self._events)
        owner = OwnerInFleet(machines, self._own_random(), ledger, self._events)
        try:
            with poster, promoter, owner:
                self._strike(faults)
                machines.heal()
                machines.wait_until_ready()
            ledger.before, ledger.jobs = ledger.jobs, self._jobs_once_ended()
            self._look_at_versions()
        except (AssertionError, httpx.HTTPError, OSError, CrosscheckError, BaseError) as error:
            broken = [f"{type(error).__name__}: {error}"]
            return Outcome(names, time.monotonic() - began, broken)
        events = [*self._events, *_ends(ledger), *_predictions(ledger, TRIPLES), *self._lives]
        answers = [each for each in events if isinstance(each, Answered)]
        round_ = Round(
            ledger=ledger,
            answers=[Answer(each.status, each.body) for each in answers if not each.is_of_nothing],
            disorderly=poster.disorderly + promoter.disorderly + owner.disorderly,
            seconds_to_ready=0.0,
            spares_the_api=True,
            may_fail_jobs=False,
        )
        broken = [f"{each.__name__}: {how}" for each in PROMISES for how in each(round_)]
        broken += [f"{each.__name__}: {how}" for each in invariants for how in each(events)]
        return Outcome(
            faults=names,
            seconds=time.monotonic() - began,
            broken=sorted(set(broken)),
            asked=len(answers),
            slowest=max((each.answered_at - each.asked_at for each in answers), default=0.0),
            takeovers=[seconds for seconds, _, _ in takeovers(events) if seconds is not None],
        )

    def keep(self) -> Path:
        """What the round leaves behind, in a folder that stays."""
        folder = self._fleet.keep_logs()
        (folder / "events").write_text("\n".join(map(repr, self._events)))
        return folder

    def _strike(self, faults: list[Fault]) -> None:
        hits_postgres = any(fault.strikes == "postgres" for fault in faults)
        scenes = [
            Scene(
                self._fleet,
                self._own_random(),
                self._events,
                SETTLING_SECONDS if hits_postgres else 0.0,
            )
            for _ in faults
        ]
        threads = [
            threading.Thread(target=fault.strike, args=(scene,))
            for fault, scene in zip(faults, scenes, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _jobs_once_ended(self) -> dict[str, Job]:
        """All jobs, once those that somebody posted have ended; or as they are when it is late."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            jobs = all_jobs(self._fleet.front)
            ended = {job_id for job_id, job in jobs.items() if job["status"] in ENDED}
            if ended >= self._ledger.accepted.keys() or time.monotonic() > deadline:
                return jobs
            time.sleep(0.1)

    def _look_at_versions(self) -> None:
        """Fetches all that the store has, as one more machine."""
        registry, tables, ledger = *self._places[:2], self._ledger
        registry.catch_up()
        shutil.rmtree(ledger.artifacts / TABLE, ignore_errors=True)  # it may have another life
        for dataset in (TRIPLES, *tables.names()):
            of = registry.of(dataset)
            for name in COMPARED:
                for number in of.numbers(name):
                    of.folder(name, number)
                if dataset != TRIPLES:
                    changes = [change.model_dump() for change in of.changes(name)]
                    ledger.history[f"{dataset}/{name}"] = changes
        ledger.read_versions()
        ledger.listed = [
            Revision(name, number, upload.sha256)
            for name in tables.names()
            for number in tables.numbers(name)
            if (upload := tables.revision(name, number).upload)
        ]
        deleted = [each for each in self._events if isinstance(each, Deleted)]
        after = registry.of(TABLE).first_epoch
        self._lives |= {*deleted, Made(TABLE, after), *_predictions(ledger, TABLE, after)}

    def _own_random(self) -> Random:
        return Random(self._random.random())  # threads mix up a common one


def _ends(ledger: Ledger) -> Iterator[Seen]:
    """The jobs that have ended, of which the last look at the database may have been before."""
    now = time.monotonic()
    for job_id, job in ledger.jobs.items():
        if job["status"] in ENDED:
            yield Seen(now, job_id, job["status"], "")


def _predictions(ledger: Ledger, dataset: str, after: int = 0) -> Iterator[Predicts]:
    for key, (first, *_) in ledger.predictions.items():
        of, model, version = key.split("/")
        if of == dataset:
            yield Predicts(model, int(version), float(first), dataset, after)


def _serves_everywhere(machines: Fleet) -> bool:
    serving = {f"/models/{TRIPLES}/{NETWORK}": 2, f"/models/{TABLE}/{NETWORK}": 1}
    return all(
        door.get(path)["serving"] == number
        for door in machines.doors
        for path, number in serving.items()
    )
