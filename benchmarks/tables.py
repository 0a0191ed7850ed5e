"""Both networks on real tables, end to end over HTTP.

    python -m benchmarks.tables [--only NAME] [--json FILE]

Each table is uploaded and trained on by the recipe for tables; its networks and the mean predictor
are compared on its test rows.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.table import Table

from benchmarks.load import console
from benchmarks.real_tables import TABLES, RealTable
from benchmarks.serving import Fields, report
from benchmarks.table import table
from service.commands.comparison_table import in_digits, in_words
from tests.conftest import running

SCORES = ("test_rmse", "test_mae", "test_r2", "test_log_loss", "test_auc", "test_accuracy")


def main(
    only: Annotated[str | None, typer.Option(help="One table, by its name.")] = None,
    to: Annotated[Path | None, typer.Option("--json", help="Where to write the figures.")] = None,
) -> None:
    """Compare the networks on diamonds, Adult, California housing and MovieLens 100k."""
    chosen = [real for real in TABLES if only in (None, real.name)]
    if not chosen:
        raise typer.BadParameter(f"one of {', '.join(real.name for real in TABLES)}")
    load_before = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as service:
        # The first job is not to wait for the worker to start.
        service.until(
            lambda: service.client.get("/readyz", params={"for": "jobs"}).status_code == 200
        )
        figures = [compare(service.client, real) for real in chosen]
    console.print(comparison(figures))
    for figure in figures:
        console.print(
            f"{figure['name']}: {figure['rows']:,} rows × {figure['features']} features; "
            f"upload {figure['upload_seconds']:.1f} s, job {figure['job_seconds']:.1f} s"
        )
    report({"tables": figures}, load_before, to)


def compare(client: httpx.Client, real: RealTable) -> Fields:
    """Takes a table from its file to the comparison of its networks."""
    content = real.read()
    url = f"/datasets/{real.name}"
    started = time.perf_counter()
    dataset = answer(client.put(url, params=real.parameters, content=content, timeout=None))
    uploaded = time.perf_counter()
    job = answer(client.post("/train", json={"dataset": real.name}))
    follow(client, job["id"])
    ended = time.perf_counter()
    networks = answer(client.get("/metrics", params={"job_id": job["id"]}))["models"]
    for network, row in networks.items():
        if "version" in row:
            path = f"/models/{real.name}/{network}/versions/{row['version']}"
            made = answer(client.get(path))["metadata"]
            row |= {"epochs": len(made["losses"]), "fit_seconds": made["fit_seconds"]}
    return {
        "name": real.name,
        "rows": dataset["rows"],
        "features": len(dataset["features"]),
        "upload_seconds": uploaded - started,
        "job_seconds": ended - uploaded,
        "networks": networks,
    }


def follow(client: httpx.Client, job_id: str) -> None:
    """Waits until a job has succeeded. Raises RuntimeError if it does not."""
    with client.stream("GET", f"/jobs/{job_id}/events", timeout=None) as events:
        for _ in events.iter_lines():
            pass
    job = answer(client.get(f"/jobs/{job_id}"))
    if job["status"] != "succeeded":
        raise RuntimeError(f"the job {job['status']}: {job['error']}")


def answer(response: httpx.Response) -> Any:
    """The JSON of an answer. Raises RuntimeError if it is a refusal."""
    if response.is_error:
        raise RuntimeError(f"{response.request.url}: {response.text}")
    return response.json()


def comparison(figures: list[Fields]) -> Table:
    """The networks of all tables, with those scores that any of them has."""
    rows = [(each["name"], *row) for each in figures for row in each["networks"].items()]
    scores = [score for score in SCORES if any(score in row for *_, row in rows)]
    names = (in_words(score.removeprefix("test_")) for score in scores)
    printed = table("test rows of", "", "parameters", *names, "seconds")
    for name, network, row in rows:
        printed.add_row(
            name if network == "mean" else "",
            network,
            f"{row['parameters']:,}",
            *(in_digits(score, row[score], 4) if score in row else "" for score in scores),
            f"{row['fit_seconds']:.1f}" if "fit_seconds" in row else "",
            end_section=network == "cross",
        )
    return printed


if __name__ == "__main__":
    typer.run(main)
