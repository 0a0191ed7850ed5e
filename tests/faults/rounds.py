"""Rounds of one service: people ask for this and that, a fault strikes; and then the promises."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import httpx

from tests.conftest import SMALL, WAIT_SECONDS, Service, running
from tests.faults import invariants, invariants_of_tables
from tests.faults.clients import Clients
from tests.faults.disks import small_disk
from tests.faults.faults import FAULTS, Fault
from tests.faults.invariants import ENDED, Round, failed, wrong
from tests.faults.ledger import Job, Ledger, Revision
from tests.faults.load import Load
from tests.faults.owner import KEPT, TINY, Owner, table
from tests.faults.scene import Scene
from tests.faults.victims import processes

Promise = Callable[[Round], Iterator[str]]

PROMISES: list[Promise] = [*invariants.PROMISES, *invariants_of_tables.PROMISES]

ROUNDS_OF_A_SERVICE = 20
"""Then another one starts with an empty folder, so that rounds do not slow down."""


@dataclass(frozen=True)
class Outcome:
    """One round's fault, and what the promises say."""

    fault: str
    broken: list[str]
    asked: int = 0
    answered: int = 0
    failed: int = 0
    wrong: int = 0
    seconds_to_ready: float = 0.0


def play(
    folder: Path, rounds: int, random: Random, most_jobs: int, promises: Sequence[Promise]
) -> Iterator[Outcome]:
    """Plays rounds; after a broken one the next has a new service, so that each counts once."""
    faults = _in_random_order(random)
    number = 0
    while number < rounds:
        with _campaign(folder / str(number), random) as (service, load, ledger):
            for _ in range(ROUNDS_OF_A_SERVICE):
                outcome = _play_one(
                    service, load, ledger, next(faults), random, most_jobs, promises
                )
                yield outcome
                number += 1
                if outcome.broken or number == rounds:
                    break


def _in_random_order(random: Random) -> Iterator[Fault]:
    while True:
        yield from random.sample(FAULTS, len(FAULTS))


@contextmanager
def _campaign(folder: Path, random: Random) -> Iterator[tuple[Service, Load, Ledger]]:
    folder.mkdir()
    workers = random.choice(["1", "2"])
    with (
        small_disk(folder / "artifacts"),
        running(folder, "--workers", workers, max_revisions="1000") as service,
        Load(service, Random(random.random())) as load,
    ):
        ledger = Ledger(service.artifacts)
        upload_the_first(KEPT, service, ledger, random)
        # Of the triples a version to keep, and one to damage.
        configs = [{**SMALL, "seed": 42}, {**SMALL, "seed": 43}, {"dataset": KEPT, **TINY}]
        for job_id in [service.train(**config, promote="always") for config in configs]:
            ledger.jobs[job_id] = service.wait_for(job_id)
            ledger.accept(ledger.jobs[job_id])
        ledger.read_versions()
        service.until(lambda: len(service.get("/readyz")["serving"]) == 2)
        load.take()
        yield service, load, ledger


def upload_the_first(name: str, service: Service, ledger: Ledger, random: Random) -> None:
    """Makes a dataset."""
    content = table(random)
    response = service.client.put(f"/datasets/{name}?target=price", content=content)
    assert response.status_code == 201, response.text
    ledger.revisions.append(Revision(name, 1, hashlib.sha256(content).hexdigest()))


def _play_one(
    service: Service,
    load: Load,
    ledger: Ledger,
    fault: Fault,
    random: Random,
    most_jobs: int,
    promises: Sequence[Promise],
) -> Outcome:
    ledger.read_versions()
    # The first version of each network stays whole: there is always one to answer with.
    expendable = [ledger.folder(key) for key in ledger.published if not key.endswith("/1")]
    scene = Scene(service, random, sorted(expendable), ledger.damaged)
    try:
        jobs, trains = random.randint(1, most_jobs), random.random() < 0.5
        own = Random(random.random()), Random(random.random())  # threads mix up a common one
        clients = Clients(service, own[0], ledger, jobs - trains)
        owner = Owner(service, own[1], ledger, trains=trains)
        with clients, owner:
            fault.strike(scene)
            seconds_to_ready = _wait_until_ready(service, scene.over or time.monotonic())
        ledger.before, ledger.jobs = ledger.jobs, _wait_until_all_ended(service, ledger)
        _look_at_versions(service, ledger)
        ledger.listed = list(_listed(service))
        service.until(lambda: all(processes(service, role) for role in ("api", "worker")))
    except (AssertionError, httpx.HTTPError, OSError) as error:
        return Outcome(fault.name, [f"{type(error).__name__}: {error}"])
    ledger.read_versions()
    round_ = Round(
        ledger=ledger,
        answers=load.take(),
        disorderly=clients.disorderly + owner.disorderly,
        seconds_to_ready=seconds_to_ready,
        spares_the_api=fault.spares_the_api,
        may_fail_jobs=fault.may_fail_jobs,
    )
    return Outcome(
        fault=fault.name,
        broken=sorted(
            {f"{promise.__name__}: {broken}" for promise in promises for broken in promise(round_)}
        ),
        asked=len(round_.answers),
        answered=sum(answer.status == 200 for answer in round_.answers),
        failed=len(failed(round_)),
        wrong=len(wrong(round_)),
        seconds_to_ready=seconds_to_ready,
    )


def _wait_until_ready(service: Service, started: float) -> float:
    def ready() -> bool:
        try:
            return service.client.get("/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    service.until(ready)
    return time.monotonic() - started


def _wait_until_all_ended(service: Service, ledger: Ledger) -> dict[str, Job]:
    """All jobs, once those that somebody posted have ended; or as they are after a minute."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        jobs = all_jobs(service)
        ended = {job_id for job_id, job in jobs.items() if job["status"] in ENDED}
        if ended >= ledger.accepted.keys() or time.monotonic() > deadline:
            return jobs
        time.sleep(0.05)


def _look_at_versions(service: Service, ledger: Ledger) -> None:
    """What the service says of them; it looks at the disk twice a second at most."""
    damaged = ledger.names_of_damaged()
    deadline = time.monotonic() + 3
    while True:
        ledger.named = {told.partition(":")[0] for told in service.get("/readyz")["damaged"]}
        if ledger.named == damaged or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    for network in ledger.networks():
        ledger.serving[network] = service.get(f"/models/{network}")["serving"]
        history = service.get(f"/models/{network}/history", limit=1000)
        ledger.history[network] = history["changes"]


def _listed(service: Service) -> Iterator[Revision]:
    """The revisions that the service tells of."""
    for dataset in service.get("/datasets", limit=100)["datasets"]:
        name = dataset["name"]
        for revision in service.get(f"/datasets/{name}")["revisions"]:
            number = revision["revision"]
            upload = service.get(f"/datasets/{name}", revision=number)["upload"]
            yield Revision(name, number, upload["sha256"])


def all_jobs(service: Service) -> dict[str, Job]:
    """As the service tells of them."""
    found: dict[str, Job] = {}
    cursor: dict[str, str] = {}
    while True:
        page = service.get("/jobs", limit=100, **cursor)
        found |= {job["id"]: job for job in page["jobs"]}
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}
