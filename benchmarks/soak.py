"""Trains and predicts for a long time, and looks for what grows.

    python -m benchmarks.soak [--minutes 30]

Ends with 1 if a request fails or a process dies; or if after the first sixth of the time the
resident memory of a process grows by 2%, or the number of open files, threads or jobs by 10%: a
pool may open its last connection late.
"""

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated, NamedTuple

import httpx
import psutil
import typer

from benchmarks.load import console
from benchmarks.serving import predict_request
from benchmarks.table import table
from tests.conftest import SMALL, Service, running

KEPT_JOBS = 5
JOB_EVERY_SECONDS = 5.0
SAMPLES = 60
MEMORY_GROWTH_ALLOWED = 0.02
COUNT_GROWTH_ALLOWED = 0.1


class Sample(NamedTuple):
    """What the service holds at one moment, but for the child that trains a job."""

    api_mib: float
    worker_mib: float
    fork_server_mib: float
    files: int
    threads: int
    jobs: int


def main(minutes: Annotated[float, typer.Option(help="How long.")] = 30.0) -> None:
    """Train and predict without end, and print what grows."""
    seconds = 60 * minutes
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), max_ended_jobs=str(KEPT_JOBS)) as service,
    ):
        service.wait_for(service.train(**SMALL))
        api, worker = service.find("api"), service.find("worker")
        fork_server = next(child for child in worker.children() if is_fork_server(child))
        processes = [api, worker, fork_server]
        samples: list[Sample] = []
        with everybody(service, train, predict_small, predict_large, look_around) as faults:
            for number in range(SAMPLES):
                time.sleep(seconds / SAMPLES)
                samples.append(sample(service, processes))
                if number % 5 == 4:
                    console.print(
                        f"{minutes * (number + 1) / SAMPLES:5.1f} min  {described(samples[-1])}"
                    )
        faults += [f"{process} died" for process in processes if not process.is_running()]
    raise typer.Exit(report(samples, faults))


def report(samples: list[Sample], faults: list[str]) -> int:
    """Prints what was held early and late; returns the exit status."""
    sixth = len(samples) // 6
    early, late = lasting(samples[sixth : 2 * sixth]), lasting(samples[-sixth:])
    printed = table("after the first sixth", *Sample._fields)
    for name, values in (("then", early), ("at the end", late)):
        printed.add_row(name, *(f"{value:,.1f}" for value in values))
    printed.add_row("growth", *(f"{b / a - 1:.2%}" for a, b in zip(early, late, strict=True)))
    console.print(printed)
    for fault in faults:
        console.print(fault)
    return int(has_grown(early, late) or bool(faults))


def has_grown(early: Sample, late: Sample) -> bool:
    """Whether anything has grown by more than it may."""
    allowed = [
        MEMORY_GROWTH_ALLOWED if is_memory(name) else COUNT_GROWTH_ALLOWED for name in early._fields
    ]
    return any(b > (1 + more) * a for a, b, more in zip(early, late, allowed, strict=True))


def is_memory(field: str) -> bool:
    """Whether a field of `Sample` is in MiB; else it counts something."""
    return field.endswith("mib")


def lasting(samples: list[Sample]) -> Sample:
    """What was held all the while: memory at its median, and what comes and goes at its lowest.

    A connection or a thread of the moment is no leak; a leak raises the lowest number, too.
    """
    columns = zip(Sample._fields, zip(*samples, strict=True), strict=True)
    return Sample(*(median(v) if is_memory(name) else min(v) for name, v in columns))


def described(moment: Sample) -> str:
    """A sample in a line."""
    return ", ".join(f"{name} {value:.0f}" for name, value in moment._asdict().items())


@contextmanager
def everybody(
    service: Service, *activities: Callable[[Service, httpx.Client, threading.Event], None]
) -> Iterator[list[str]]:
    """Runs each activity in a thread until the context ends; gives what went wrong."""
    over = threading.Event()
    faults: list[str] = []

    def run(activity: Callable[[Service, httpx.Client, threading.Event], None]) -> None:
        try:
            while not over.is_set():  # a new connection for each turn
                with httpx.Client(base_url=service.client.base_url, timeout=30) as client:
                    activity(service, client, over)
        except Exception as error:
            faults.append(f"{activity.__name__}: {error!r}")

    threads = [threading.Thread(target=run, args=(activity,)) for activity in activities]
    for thread in threads:
        thread.start()
    try:
        yield faults
    finally:
        over.set()
        for thread in threads:
            thread.join()


def train(service: Service, client: httpx.Client, over: threading.Event) -> None:
    """Follows a job's events to its end."""
    job_id = client.post("/train", json=SMALL).raise_for_status().json()["id"]
    with client.stream("GET", f"/jobs/{job_id}/events") as events:
        data = [line for line in events.iter_lines() if line.startswith("data: ")]
    status = json.loads(data[-1].removeprefix("data: "))["status"]
    if status != "succeeded":
        raise RuntimeError(f"the job {status}")
    over.wait(JOB_EVERY_SECONDS)


def predict_small(service: Service, client: httpx.Client, over: threading.Event) -> None:
    """Asks for single triples, and sometimes for nonsense."""
    request = predict_request("json", 1)
    for _ in range(200):
        client.post("/predict", content=request.body, headers=request.headers).raise_for_status()
        over.wait(0.005)
    if client.post("/predict", content=b"nonsense").status_code != 415:
        raise RuntimeError("nonsense was not refused")


def predict_large(service: Service, client: httpx.Client, over: threading.Event) -> None:
    """Asks for many triples at once, in both kinds of body."""
    for form, rows in (("json", 1000), ("npy", 1000), ("json", 10_000), ("npy", 50_000)):
        request = predict_request(form, rows)
        client.post("/predict", content=request.body, headers=request.headers).raise_for_status()
        over.wait(1)


def look_around(service: Service, client: httpx.Client, over: threading.Event) -> None:
    """Asks for everything that can be read."""
    for path in ("/livez", "/readyz", "/metrics", "/models", "/jobs?limit=100", "/openapi.json"):
        client.get(path).raise_for_status()
    over.wait(5)


def sample(service: Service, processes: list[psutil.Process]) -> Sample:
    """What the API process, the worker and the fork server hold now."""
    api, worker, fork_server = (process.memory_info().rss / 2**20 for process in processes)
    return Sample(
        api,
        worker,
        fork_server,
        files=sum(process.num_fds() for process in processes),
        threads=sum(process.num_threads() for process in processes),
        jobs=len(service.get("/jobs", limit=100)["jobs"]),
    )


def is_fork_server(process: psutil.Process) -> bool:
    """Whether a child of the worker is the fork server, not multiprocessing's resource tracker."""
    return "forkserver" in " ".join(process.cmdline())


if __name__ == "__main__":
    typer.run(main)
