"""A training job of the demo: posted, followed to its end, compared."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import httpx
from rich import box
from rich.table import Table

from service.demo.calls import console, fail, get, post, progress_bars, show

ABBREVIATIONS = {"rmse": "RMSE", "mae": "MAE", "r2": "R²", "auc": "AUC"}


def train(
    client: httpx.Client,
    config: dict[str, Any] | None,
    scores: Sequence[str],
    digits: tuple[int, int] = (5, 5),
) -> None:
    """Trains both networks, prints their comparison and the verdict.

    Args:
        config: The body of the request; None posts none.
        scores: Names of those to show.
        digits: To show of the mean predictor's, and of the networks'.
    """
    job = post(client, "/train", config)
    job = _follow(client, job["id"])
    if job["status"] != "succeeded":
        fail(f"The job {job['status']}: {job['error']}")
    comparison = get(client, "/metrics", job_id=job["id"])
    console.print(_comparison_table(comparison["models"], scores, digits))
    console.print(f"{comparison['verdict']['summary']}\n", markup=False, soft_wrap=True)


def _follow(client: httpx.Client, job_id: str) -> dict[str, Any]:
    """Draws a progress bar until the job has ended; returns the job."""
    events = client.build_request("GET", f"/jobs/{job_id}/events")
    show(f"curl -N {events.url}")
    job: dict[str, Any] = {}
    with closing(client.send(events, stream=True)) as response, progress_bars() as bars:
        bar = bars.add_task("job", total=None, state="queued")
        for job in _told(response):
            bars.update(bar, state=job["status"])
            if progress := job["progress"]:
                bars.update(
                    bar,
                    description=progress["model"],
                    total=progress["epochs"],
                    completed=progress["epoch"],
                    state=_state(progress),
                )
        bars.update(bar, state=job["status"], total=1, completed=job["status"] == "succeeded")
    return job


def _state(progress: dict[str, Any]) -> str:
    if not progress["epoch"]:
        return "baseline"
    return f"epoch {progress['epoch']} of {progress['epochs']}, loss {progress['loss']:.3g}"


def _told(events: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in events.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def _comparison_table(
    rows: dict[str, Any], scores: Sequence[str], digits: tuple[int, int]
) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("", "parameters", *map(in_words, scores)):
        table.add_column(heading, no_wrap=True)
    table.add_column("version")
    for name, row in rows.items():
        shown = digits[0 if name == "mean" else 1]
        table.add_row(
            name,
            str(row["parameters"]),
            *(_cell(score, row, shown, spread=score == scores[0]) for score in scores),
            _standing(row),
        )
    return table


def _cell(score: str, row: dict[str, Any], digits: int, spread: bool) -> str:
    """The mean over the repeats, where there are some; and its spread, if that is to be shown."""
    deviations = row.get("standard_deviation", {})
    if score not in deviations:
        return in_digits(score, row[score], digits)
    mean = in_digits(score, row["mean"][score], digits)
    return f"{mean} ± {deviations[score]:.2g}" if spread else mean


def in_digits(score: str, value: float, digits: int) -> str:
    """A score for people. R² is near 0 or 1, and 1e-06 of it is nothing."""
    return f"{value:z.4f}" if score.endswith("r2") else f"{value:.{digits}g}"


def in_words(score: str) -> str:
    """The name of a score for people: `test_rmse` is `test RMSE`."""
    return " ".join(ABBREVIATIONS.get(word, word) for word in score.split("_"))


def _standing(row: dict[str, Any]) -> str:
    if "version" not in row:
        return ""
    return f"{row['version']}, {'serving' if row['serving'] else row['refused']}"
