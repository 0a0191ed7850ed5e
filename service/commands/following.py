"""A job, followed to its end."""

from collections.abc import Callable
from typing import Any

from service.client import Client
from service.commands.output import progress_bars


def follow(
    service: Client, job_id: str, changed: Callable[[dict[str, Any]], None] = lambda job: None
) -> dict[str, Any]:
    """Draws a progress bar until the job has ended, and returns the job.

    Args:
        changed: Is given the job whenever it changes.
    """
    job: dict[str, Any] = {}
    with progress_bars() as bars:
        bar = bars.add_task("job", total=None, state="")
        for job in service.events(job_id):
            changed(job)
            bars.update(bar, state=_state(job))
            if progress := job["progress"]:
                bars.update(
                    bar,
                    description=progress["model"],
                    total=progress["epochs"],
                    completed=progress["epoch"],
                )
        bars.update(bar, state=job["status"], total=1, completed=job["status"] == "succeeded")
    return job


def how_far(job: dict[str, Any]) -> str:
    """How far the network or the baseline is that a running job trains."""
    progress = job["progress"]
    if not progress["epoch"]:
        return "baseline"
    of = "of" if job["config"]["patience"] is None else "of at most"
    return f"epoch {progress['epoch']} {of} {progress['epochs']}"


def _state(job: dict[str, Any]) -> str:
    progress = job["progress"]
    if job["waiting_for"]:
        return f"{job['status']}: {job['waiting_for']}"
    if job["status"] != "running" or not progress:
        return str(job["status"])
    if progress["epoch"] == progress["epochs"]:
        return f"trained, loss {progress['loss']:.3g}; now it is measured"
    far = how_far(job)
    return f"{far}, loss {progress['loss']:.3g}" if progress["epoch"] else far
