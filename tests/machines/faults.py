"""Everything that strikes the fleet: each fault returns when it is over, and all heals after it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.machines.events import Died, Event, Seen
from tests.machines.fleet import Fleet
from tests.machines.machine import Machine

BEYOND_THE_LEASE_SECONDS = 17.0

SETTLING_SECONDS = 20.0
"""What Postgres costs a takeover when it is started anew or away: nobody is judged for a while."""


@dataclass
class Scene:
    """The fleet that is struck, and what is known of it."""

    fleet: Fleet
    random: Random
    events: list[Event]
    more_seconds: float = 0.0
    """What the other fault of the round costs a takeover."""

    def last(self, least: float, most: float) -> None:
        """Lets a fault last for a while."""
        time.sleep(self.random.uniform(least, most))

    def api(self) -> Machine:
        """One of them."""
        return self.random.choice(self.fleet.apis)

    def worker(self) -> Machine:
        """One that runs a job, if there comes to be one soon."""
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline:
            last = {each.job_id: each for each in [*self.events] if isinstance(each, Seen)}
            busy = {each.worker for each in last.values() if each.status == "PENDING"}
            found = [each for each in self.fleet.workers if each.worker() in busy - {""}]
            if found:
                return self.random.choice(found)
            time.sleep(0.05)
        return self.random.choice(self.fleet.workers)

    def died(self, worker: Machine, more_seconds: float = 0.0) -> None:
        """Keeps that its jobs are to run elsewhere from now on."""
        more = self.more_seconds + more_seconds
        others = len(self.fleet.workers) - 1
        self.events.append(Died(worker.worker(), time.monotonic(), more, others))


def cut_api(scene: Scene) -> None:
    """The link of an API is down."""
    scene.api().host.cut()
    scene.last(2, 6)


def cut_worker(scene: Scene) -> None:
    """The link of a worker is down until its lease is over."""
    worker = scene.worker()
    scene.died(worker)
    worker.host.cut()
    time.sleep(BEYOND_THE_LEASE_SECONDS)


def cut_worker_shortly(scene: Scene) -> None:
    """The link of a worker is down, and up again before its lease is over."""
    scene.worker().host.cut()
    scene.last(1, 8)


def cut_postgres(scene: Scene) -> None:
    """The link of Postgres is down."""
    scene.fleet.hosts["postgres"].cut()
    scene.last(2, 8)


def cut_store(scene: Scene) -> None:
    """The link of the object store is down."""
    scene.fleet.hosts["store"].cut()
    scene.last(2, 8)


def deafen_worker(scene: Scene) -> None:
    """A worker hears nothing of Postgres any more, which hears it."""
    worker = scene.worker()
    worker.host.drop_from(scene.fleet.hosts["postgres"].address)
    scene.last(1, 8)


def mute_worker(scene: Scene) -> None:
    """Postgres hears nothing of a worker any more, until its lease is over."""
    worker = scene.worker()
    scene.died(worker)
    scene.fleet.hosts["postgres"].drop_from(worker.host.address)
    time.sleep(BEYOND_THE_LEASE_SECONDS)


def part_api_and_store(scene: Scene) -> None:
    """An API hears nothing of the object store."""
    scene.api().host.drop_from(scene.fleet.hosts["store"].address)
    scene.last(2, 8)


def part_api_and_postgres(scene: Scene) -> None:
    """An API hears nothing of Postgres."""
    scene.api().host.drop_from(scene.fleet.hosts["postgres"].address)
    scene.last(2, 8)


def part_api_and_balancer(scene: Scene) -> None:
    """The balancer hears nothing of an API, which hears it."""
    scene.fleet.hosts["balancer"].drop_from(scene.api().host.address)
    scene.last(2, 6)


def kill_api(scene: Scene) -> None:
    """SIGKILL for all of an API."""
    api = scene.api()
    scene.last(0, 3)
    api.kill()
    scene.last(0, 2)


def stop_api(scene: Scene) -> None:
    """SIGSTOP for all of an API: connections to it are taken, and nobody answers."""
    with scene.api().standing_still():
        scene.last(2, 6)


def kill_worker(scene: Scene) -> None:
    """SIGKILL for all of a worker."""
    worker = scene.worker()
    scene.died(worker)
    worker.kill()


def stop_worker(scene: Scene) -> None:
    """SIGSTOP for all of a worker until its lease is over; then it goes on."""
    worker = scene.worker()
    scene.died(worker)
    with worker.standing_still():
        time.sleep(BEYOND_THE_LEASE_SECONDS)


def restart_postgres_in_a_rescue(scene: Scene) -> None:
    """A worker dies; while others look after its job, Postgres is started anew."""
    worker = scene.worker()
    scene.died(worker, SETTLING_SECONDS)
    worker.kill()
    scene.last(0, 6)
    scene.fleet.database.restart()


def lose_replies_of_the_store(scene: Scene) -> None:
    """What the store says to a worker is lost as it publishes: it has written, nobody knows."""
    deadline = time.monotonic() + 8
    pattern = ".staging/*/*/cross/assets.extra"
    victims: list[Machine] = []
    while not victims and time.monotonic() < deadline:
        time.sleep(0.002)
        victims = [each for each in scene.fleet.workers if any(each.artifacts.glob(pattern))]
    scene.last(0, 0.5)
    for worker in victims or scene.fleet.workers[:1]:
        worker.host.drop_from(scene.fleet.hosts["store"].address)
    scene.last(1, 8)


@dataclass(frozen=True)
class Fault:
    """A fault, and whom it strikes: two at once strike different ones."""

    strike: Callable[[Scene], None]
    strikes: str

    @property
    def name(self) -> str:
        """What it is called."""
        return self.strike.__name__


FAULTS = [
    Fault(cut_api, "api"),
    Fault(cut_worker, "worker"),
    Fault(cut_worker_shortly, "worker"),
    Fault(cut_postgres, "postgres"),
    Fault(cut_store, "api"),  # for no API is ready then
    Fault(deafen_worker, "worker"),
    Fault(mute_worker, "worker"),
    Fault(part_api_and_store, "api"),
    Fault(part_api_and_postgres, "api"),
    Fault(part_api_and_balancer, "api"),
    Fault(kill_api, "api"),
    Fault(stop_api, "api"),
    Fault(kill_worker, "worker"),
    Fault(stop_worker, "worker"),
    Fault(restart_postgres_in_a_rescue, "worker"),
    Fault(lose_replies_of_the_store, "worker"),
]
