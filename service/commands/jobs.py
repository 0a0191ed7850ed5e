"""`crosscheck train`, `watch`, `jobs`, `cancel`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.options import DEFAULT_URL, Url

if TYPE_CHECKING:
    from service.client import Client

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Its id.")]


def train(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help="The body of the request, as JSON; - is the standard input.",
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Like epochs=20 or dataset=houses."),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Follow the job to its end.")] = True,
    url: Url = DEFAULT_URL,
) -> None:
    """Train networks, and compare them; without FILE, on the triples."""
    import uuid

    from service.commands.asking import service_at
    from service.commands.body import body, with_changes
    from service.commands.output import show
    from service.commands.tables import jobs_table

    config = with_changes({} if file is None else body(file), changes or [])
    key = {"Idempotency-Key": str(uuid.uuid4())}  # the same for each try
    with service_at(url) as service:
        job = service.post("/train", config, key)
        if wait:
            _to_the_end(service, job["id"])
        else:
            show([job], jobs_table)


def watch(
    job_id: Annotated[
        str | None,
        typer.Argument(metavar="JOB", help="Its id.", show_default="the newest job"),
    ] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Follow a job to its end."""
    from service.commands.asking import FAILED, service_at
    from service.commands.output import tell

    with service_at(url) as service:
        if job_id is None:
            newest = service.get("/jobs", limit=1)["jobs"]
            if not newest:
                tell("There are no jobs.")
                raise typer.Exit(FAILED)
            job_id = newest[0]["id"]
        _to_the_end(service, job_id)


def jobs(
    status: Annotated[
        str | None,
        typer.Option(help="Only those: queued, running, succeeded, failed or cancelled."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    url: Url = DEFAULT_URL,
) -> None:
    """List the jobs, newest first."""
    from itertools import islice

    from service.commands.asking import service_at
    from service.commands.output import show
    from service.commands.tables import jobs_table

    with service_at(url) as service:
        pages = service.pages("/jobs", "jobs", status=status, limit=min(limit, 100))
        show(islice(pages, limit), jobs_table)


def cancel(job_id: JobId, url: Url = DEFAULT_URL) -> None:
    """Cancel a job, also one that runs; it publishes nothing."""
    from service.client import path_of
    from service.commands.asking import service_at
    from service.commands.output import show
    from service.commands.tables import jobs_table

    with service_at(url) as service:
        show([service.post(path_of("jobs", job_id, "cancel"))], jobs_table)


def _to_the_end(service: "Client", job_id: str) -> None:
    """Follows a job; the exit code says how it ended."""
    from service.commands.asking import CANCELLED, FAILED, INTERRUPTED
    from service.commands.comparison_table import compared
    from service.commands.following import follow
    from service.commands.output import line, on_terminal, out, tell

    def changed(job: dict[str, Any]) -> None:
        if not on_terminal():
            line(job)

    try:
        job = follow(service, job_id, changed)
    except KeyboardInterrupt:
        where = "" if service.url == DEFAULT_URL else f" --url {service.url}"
        tell(f"Detached. The job goes on; to come back: crosscheck watch {job_id}{where}")
        raise typer.Exit(INTERRUPTED) from None
    if job["status"] == "cancelled":
        tell(f"The job {job_id} was cancelled.")
        raise typer.Exit(CANCELLED)
    if job["status"] != "succeeded":
        tell(f"The job {job_id} {job['status']}: {job['error']}")
        raise typer.Exit(FAILED)
    if on_terminal():
        out.print(compared([service.get("/metrics", job_id=job_id)]))
