"""How well the networks do, against baselines on the same rows and against what others report.

    python -m benchmarks.quality [--only NAME] [--quick] [--json FILE] [--page FILE]

Everything goes over HTTP through a service of its own: a table is uploaded, jobs are posted, and
what is shown is what `GET /metrics` says of each of them. The whole takes hours.
"""

import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import httpx
import numpy as np
import typer

from benchmarks.load import console
from benchmarks.quality_page import printed, write
from benchmarks.quality_works import WORKS, Means, Work
from benchmarks.serving import Fields, report
from benchmarks.tables import answer, follow
from models.comparison import over_splits
from models.config import MODEL_NAMES
from tests.conftest import running

QUICK: Fields = {"epochs": 3, "repeats": 1}
"""In the place of what a recipe says."""

TEST_SHARE = 1 / 9
"""Of the training and test rows together; another ninth chooses."""


def main(
    only: Annotated[str | None, typer.Option(help="One work, by its name.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One split, few epochs.")] = False,
    splits: Annotated[int | None, typer.Option(help="At most so many splits of a table.")] = None,
    to: Annotated[Path | None, typer.Option("--json", help="Where to write the figures.")] = None,
    page: Annotated[Path | None, typer.Option(help="A page whose tables are written anew.")] = None,
) -> None:
    """Do each work, split by split; print its rows, and what of it is reached."""
    chosen = [work for work in WORKS if only in (None, work.name)]
    if not chosen:
        raise typer.BadParameter(f"one of {', '.join(work.name for work in WORKS)}")
    load_before = os.getloadavg()
    figures = []
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as service:
        # The first job is not to wait for the worker to start.
        service.until(
            lambda: service.client.get("/readyz", params={"for": "jobs"}).status_code == 200
        )
        for work in chosen:
            done = do(service.client, work, 1 if quick else min(work.splits, splits or 99), quick)
            console.print(*printed(done))
            if page is not None and not quick:
                write(page, done)
            figures.append(done)
    report({"quick": quick, "works": figures}, load_before, to)


def do(client: httpx.Client, work: Work, splits: int, quick: bool) -> Fields:
    """Uploads the table, does each job on each split, and looks at what came of them."""
    if work.table is not None:
        url, read = f"/datasets/{work.table.name}", work.table.read
        answer(client.put(url, params=work.table.parameters, content=read(), timeout=None))
    rows: dict[str, list[Fields]] = {}
    verdicts, pairs, seconds = [], [], []
    for seed in range(splits):
        for number, (label, recipe) in enumerate(work.recipes.items()):
            config = {**recipe, **(QUICK if quick else {})}
            if work.table is not None:
                of_rows = {"kind": "table", "name": work.table.name, "split_seed": seed}
                config["dataset"] = {**of_rows, **work.split}
            started = time.perf_counter()
            job = answer(client.post("/train", json=config))
            follow(client, job["id"])
            seconds.append(time.perf_counter() - started)
            comparison = answer(client.get("/metrics", params={"job_id": job["id"]}))
            pairs += [pair["verdict"] for pair in comparison["verdict"]["pairs"]]
            verdicts.append(comparison["verdict"]["summary"])
            for name, row in comparison["models"].items():
                if name in MODEL_NAMES:
                    rows.setdefault(f"{name}, {label}" if label else name, []).append(row)
                elif number == 0:  # the baselines of the other jobs are the same
                    rows.setdefault(name, []).append(row)
    networks = [name for name in rows if name.split(",")[0] in MODEL_NAMES]
    of = {name: _means(of_splits) for name, of_splits in rows.items()}
    best = min(networks, key=lambda name: of[name][_chooses(of[name])])
    means: Means = {**of, "best": of[best], "job": {"seconds": max(seconds)}}
    return {
        "name": work.name,
        "title": work.title,
        "score": work.score,
        "splits": splits,
        "rows": {
            name: {
                "parameters": of_splits[-1]["parameters"],
                "scores": [_scores(row)[work.score] for row in of_splits],
                "seconds": mean(row.get("seconds") or 0.0 for row in of_splits),
                "published": work.published.get(name),
                "mean": of[name],
            }
            for name, of_splits in rows.items()
        },
        "best": best,
        "to_trees": _to_trees(rows, best, work.score),
        "goals": [(goal.said, goal.reached(means)) for goal in work.goals],
        "verdicts": verdicts,
        "exact": [said for said in dict.fromkeys(pairs) if "exact" in said],
        "job_seconds": seconds,
    }


def _scores(row: Fields) -> dict[str, float]:
    """Of a network with repeats their mean, else of what is served."""
    scores = row["mean"] if len(row.get("repeats", ())) > 1 else row
    return {name: value for name, value in scores.items() if _is_score(name, value)}


def _is_score(name: str, value: Any) -> bool:
    return name.startswith(("train_", "validation_", "test_", "eval_")) and value is not None


def _means(rows: Iterable[Fields]) -> dict[str, float]:
    scores = [_scores(row) for row in rows]
    return {name: mean(of_one[name] for of_one in scores) for name in scores[0]}


def _chooses(scores: Iterable[str]) -> str:
    """The score by which networks are chosen: of the rows held out for that."""
    names = ("validation_log_loss", "validation_rmse", "eval_rmse")
    return next(name for name in names if name in scores)


def _to_trees(rows: dict[str, list[Fields]], best: str, score: str) -> Fields | None:
    """The best network's score less that of the trees, and its 95% interval over the splits."""
    differences = [
        _scores(ours)[score] - _scores(theirs)[score]
        for ours, theirs in zip(rows[best], rows.get("trees", ()), strict=False)
    ]
    if len(differences) < 2:
        return None
    difference, low, high = over_splits(np.array(differences), TEST_SHARE)
    return {"difference": difference, "low": low, "high": high}


if __name__ == "__main__":
    typer.run(main)
