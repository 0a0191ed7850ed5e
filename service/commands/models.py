"""`crosscheck metrics`, `models`, `promote`, `history`."""

from typing import Annotated

import typer

from service.commands.options import (
    DEFAULT_URL,
    Named,
    OfDataset,
    Url,
    dataset_and_network,
)


def metrics(
    dataset: OfDataset = None,
    job: Annotated[
        str | None, typer.Option(help="Its id: compare what this job made, not what serves.")
    ] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Compare the networks of a dataset that serve, or of one job."""
    from service.commands.asking import service_at
    from service.commands.comparison_table import compared
    from service.commands.output import show

    with service_at(url) as service:
        show([service.get("/metrics", dataset=dataset, job_id=job)], compared)


def models(dataset: OfDataset = None, url: Url = DEFAULT_URL) -> None:
    """List the versions of a dataset's networks."""
    from service.commands.asking import service_at
    from service.commands.output import show
    from service.commands.tables import models_table

    with service_at(url) as service:
        show([service.get("/models", dataset=dataset)], models_table)


def promote(
    network: Named,
    version: Annotated[int, typer.Argument(min=1, help="Which is to serve.")],
    canary: Annotated[
        int | None, typer.Option(min=1, help="Which is to be tried beside it …")
    ] = None,
    percent: Annotated[
        float, typer.Option(help="… on so many of those who send an X-Canary-Key.")
    ] = 5,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until no process that is ready answers as before.")
    ] = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Make a version the serving one: promote a new one, or roll back to an old one."""
    from service.client import path_of
    from service.commands.asking import service_at
    from service.commands.output import show
    from service.commands.tables import version_line

    names = dataset_and_network(network)
    with service_at(url) as service:
        path = path_of("models", *names, "serving") + ("?wait=fleet" if wait else "")
        tried = {"canary": {"version": canary, "percent": percent}} if canary else {}
        made = service.put(path, {"version": version, **tried})
        show([made], lambda _: version_line(network, made))


def history(
    network: Named,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
    url: Url = DEFAULT_URL,
) -> None:
    """Show what served and serves of a network, newest change first."""
    from service.client import path_of
    from service.commands.asking import service_at
    from service.commands.output import show
    from service.commands.tables import history_table

    names = dataset_and_network(network)
    with service_at(url) as service:
        found = service.get(path_of("models", *names, "history"), limit=limit)
        show(found["changes"], history_table)
