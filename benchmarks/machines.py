"""What several machines cost and bear: network namespaces of this one, as in `tests/machines`.

    python -m benchmarks.machines [--only NAME] [--seconds 60]

It needs root and Debian's haproxy, nftables, iproute2 and postgresql.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Annotated, Any

import typer

from benchmarks.load import console
from benchmarks.table import table
from tests.conftest import SMALL
from tests.machines.events import Answered, Died, Event
from tests.machines.faults import Scene
from tests.machines.fleet import Fleet, Front, fleet
from tests.machines.invariants import takeovers
from tests.machines.machine import Machine
from tests.machines.network import why_not
from tests.machines.people import NETWORK, ROW, Asker, Watcher, epoch_of

JOBS = 12
LASTS = {"dataset": {"size": 20_000}, "epochs": 10_000, "baselines": [], "models": [NETWORK]}
"""A job of some seconds, of which the start of its process is a small part."""

SPREADS = {
    "dataset": {"size": 30_000},
    "optimizer": {"name": "levenberg_marquardt", "max_evaluations": 100},
    "dense": {"hidden_units": [8, 8]},
    "deep_cross": {"hidden_units": [8]},
    "models": ["dense", "deep_cross"],
    "repeats": 5,
    "baselines": [],
}
"""A job of ten parts."""

LONGEST_PAUSE = 0.5
"""Who asks more often takes from the cores what the workers are measured on."""

MOST_SECONDS = 600
"""Of a job, and of those before it."""

PROCESSES = 4
"""Of each of two APIs."""

PUBLISHES = 5

Row = tuple[str, str]


def main(
    only: Annotated[str | None, typer.Option(help="The name of one measurement.")] = None,
    seconds: Annotated[float, typer.Option(help="How long something is away.")] = 60,
) -> None:
    """Measure takeovers, outages, growth with workers, of one job, publishing and an idle fleet."""
    if reason := why_not():
        raise SystemExit(f"{reason}.")
    measurements: dict[str, Callable[[], list[Row]]] = {
        "takeover": takeover,
        "outages": lambda: outages(seconds),
        "growth": growth,
        "spread": spread,
        "publish": publish_and_idle,
    }
    load = os.getloadavg()[0]
    found = table(f"measurement (load {load:.1f} before, {os.cpu_count()} cores)", "found")
    for name, measure in measurements.items():
        if only in (None, name):
            for row in measure():
                found.add_row(*row)
                console.print(*row)
    console.print(found)


def takeover() -> list[Row]:
    """After how long another worker runs the job of one that is killed, or cut off."""
    with fleet(workers=2) as machines:
        return [
            (
                f"the job of a worker that is {how} runs elsewhere",
                f"{_taken_over(machines, do):.1f} s",
            )
            for how, do in {"killed": Machine.kill, "cut off": _cut}.items()
        ]


def _taken_over(machines: Fleet, do: Callable[[Machine], None]) -> float:
    machines.wait_until_ready()
    events: list[Event] = []
    with Watcher(machines, Random(0), events):
        job_id = machines.front.train(**LASTS)
        machines.front.wait_for_progress(job_id)
        worker = Scene(machines, Random(0), events).worker()
        events.append(Died(worker.worker(), time.monotonic()))
        do(worker)

        def seconds() -> list[float]:
            return [taken for taken, _, _ in takeovers([*events]) if taken is not None]

        (taken,) = machines.front.until(seconds)
    machines.heal()
    machines.front.wait_for(job_id)
    return taken


def _cut(machine: Machine) -> None:
    machine.host.cut()


def outages(seconds: float) -> list[Row]:
    """Predictions that fail while Postgres is away, and while the store is."""
    rows = []
    with fleet(workers=1) as machines:
        machines.wait_until_ready()
        machines.front.wait_for(machines.front.train(**SMALL, promote="always"))
        for door in machines.doors:
            door.until(lambda door=door: len(door.get("/readyz")["serving"]) == 2)  # type: ignore[misc]
        for name in ("postgres", "store"):
            events: list[Event] = []
            with Asker(machines.front, Random(0), events, "carrier"):
                machines.hosts[name].cut()
                time.sleep(seconds)
                machines.heal()
                machines.wait_until_ready()
            answers = [each for each in events if isinstance(each, Answered)]
            failed = sum(each.status != 200 for each in answers)
            slowest = max(each.answered_at - each.asked_at for each in answers)
            told = f"{failed} of {len(answers)}, slowest {slowest:.2f} s"
            rows.append((f"predictions that failed with {name} away for {seconds:.0f} s", told))
    return rows


def growth() -> list[Row]:
    """Equal jobs with two workers and with one, a core each."""
    configs = [{**LASTS, "seed": seed} for seed in range(JOBS)]
    return [(f"{JOBS} equal jobs with two workers", _with_two_and_with_one(configs))]


def spread() -> list[Row]:
    """One job of many parts with two workers and with one, a core each."""
    return [("one job of ten parts with two workers", _with_two_and_with_one([SPREADS]))]


def _with_two_and_with_one(configs: Sequence[Mapping[str, Any]]) -> str:
    took = {}
    for workers in (1, 2):
        with fleet(workers=workers, own_cores=True) as machines:
            machines.wait_until_ready()
            machines.front.wait_for(machines.front.train(**configs[0]))  # what is compiled once
            began = time.monotonic()
            job_ids = [machines.front.train(**config) for config in configs]
            for job_id in reversed(job_ids):  # the last one ends last, or nearly
                succeeded = partial(_has_succeeded, machines.front, job_id)
                machines.front.until(succeeded, MOST_SECONDS, LONGEST_PAUSE)
            took[workers] = time.monotonic() - began
    return f"{took[1] / took[2]:.2f} × as fast ({took[1]:.0f} s, {took[2]:.0f} s)"


def _has_succeeded(front: Front, job_id: str) -> bool:
    status = front.get(f"/jobs/{job_id}")["status"]
    assert status in ("queued", "running", "succeeded"), status
    return bool(status == "succeeded")


def publish_and_idle() -> list[Row]:
    """How soon each API process answers by a promotion, and what an idle fleet asks the store."""
    processes = 2 * PROCESSES
    with fleet(workers=1, options=("--workers", str(PROCESSES))) as machines:
        machines.wait_until_ready()
        for seed in (1, 2):
            machines.front.wait_for(machines.front.train(**SMALL, seed=seed, promote="always"))
        took = [_publish(machines, 1 + number % 2, processes) for number in range(PUBLISHES)]
        counted = _requests_in(10, machines)
    return [
        (f"a promotion is answered by all of {processes} API processes", f"{max(took):.2f} s"),
        (
            "requests to the store of an idle fleet",
            f"{counted / 10 / processes:.2f} a second a process",
        ),
    ]


def _publish(machines: Fleet, version: int, processes: int) -> float:
    """Seconds from before the promotion until each process has answered by it."""
    began = time.monotonic()
    path = f"/models/triples/{NETWORK}/serving"
    epoch = epoch_of(machines.front.client.put(path, json={"version": version}))
    followed: set[str] = set()
    while len(followed) < processes:
        for door in machines.doors:
            answer = door.client.post(
                "/predict",
                json={"instances": ROW, "model": NETWORK},
                headers={"Connection": "close"},  # another process may answer the next one
            )
            if epoch_of(answer) >= epoch:
                followed.add(answer.headers["X-Request-Id"].partition("-")[0])
        assert time.monotonic() < began + 60, followed
    return time.monotonic() - began


def _requests_in(seconds: float, machines: Fleet) -> int:
    """How many requests of the APIs reach the store: each is one packet that says push."""
    store = machines.hosts["store"]
    store.count_pushed_from(*(api.host.address for api in machines.apis))
    time.sleep(seconds)
    counted = store.counted()
    store.heal()
    return counted


if __name__ == "__main__":
    typer.run(main)
