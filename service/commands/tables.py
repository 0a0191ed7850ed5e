"""What the service lists, as tables for people."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from service.commands.comparison_table import in_digits, in_words
from service.commands.dataset_table import in_short
from service.commands.following import how_far

FIRST_SCORES = ("test_rmse", "test_log_loss", "eval_rmse")
"""Of a version's scores the one that a list shows."""

ID_LENGTH = 36


def datasets_table(datasets: list[dict[str, Any]]) -> Table:
    """A row for each dataset."""
    return _table(
        ("dataset", "revision", "rows", "features", "target", "task", "created"),
        (
            (
                each["name"],
                each["revision"],
                f"{each['rows']:,}",
                each["features"],
                each["target"],
                each["task"],
                _moment(each["created_at"]),
            )
            for each in datasets
        ),
    )


def rows_table(rows: list[dict[str, Any]]) -> Table:
    """A table's own rows."""
    names = list(rows[0])
    shown = ([None if row[n] is None else in_short(row[n]) for n in names] for row in rows)
    return _table(names, shown)


def jobs_table(jobs: list[dict[str, Any]]) -> Table:
    """A row for each job."""
    return _table(
        ("job", "status", "dataset", "created", ""),
        (
            (
                job["id"],
                job["status"],
                job["config"]["dataset"].get("name", "triples"),
                _moment(job["created_at"]),
                job["error"] or job["waiting_for"] or _outcome(job),
            )
            for job in jobs
        ),
    )


def models_table(found: list[dict[str, Any]]) -> RenderableType:
    """A row for each version of each network, and which one answers by default."""
    (answer,) = found
    versions = [(model["name"], each) for model in answer["models"] for each in model["versions"]]
    table = _table(
        ("network", "version", "score", "created", "job", ""),
        (
            (
                name,
                f"{each['version']}, serving" if each["serving"] else each["version"],
                _score(each),
                _moment(each["created_at"]),
                each["job_id"],
                each["refused"],
            )
            for name, each in versions
        ),
    )
    default = answer.get("default")
    if default is None:
        return table
    says = f"{default['model']} answers, version {default['version']}: {default['reason']}"
    return Group(table, Text(says))


def history_table(changes: list[dict[str, Any]]) -> Table:
    """A row for each change of what serves."""
    return _table(
        ("version", "before", "changed", "by", "reason"),
        (
            (
                change["version"],
                change["previous"],
                _moment(change["changed_at"]),
                change["job_id"] or change["key"],
                change["reason"],
            )
            for change in changes
        ),
    )


def version_line(network: str, version: dict[str, Any]) -> Text:
    """Which version of a network serves."""
    about = version["metadata"]
    made = f"{_score(about['scores'])}, made {_moment(about['created_at'])}"
    return Text(f"{network}: version {version['version']} serves ({made})")


def _table(headings: Sequence[str], rows: Iterable[Iterable[Any]]) -> Table:
    """Values as they are, no markup. The last of a row is wrapped where there is no room.

    Ids of jobs are whole in any case: they are to be copied.
    """
    *first, last = headings
    table = Table(box=box.SIMPLE_HEAD)
    for heading in first:
        table.add_column(
            Text(heading), no_wrap=True, min_width=ID_LENGTH if heading == "job" else None
        )
    table.add_column(Text(last))
    for row in rows:
        table.add_row(*(Text("" if value is None else str(value)) for value in row))
    return table


def _moment(told: str | None) -> str:
    """A time of the service, on this machine's clock, to the second."""
    return "" if told is None else f"{datetime.fromisoformat(told).astimezone():%Y-%m-%d %H:%M:%S}"


def _score(scored: dict[str, Any]) -> str:
    name = next((name for name in FIRST_SCORES if name in scored), None)
    return "" if name is None else f"{in_words(name)} {in_digits(name, scored[name], 5)}"


def _outcome(job: dict[str, Any]) -> str:
    progress = job["progress"]
    if job["results"]:
        return ", ".join(f"{each['model']} {each['version']}" for each in job["results"])
    if job["status"] == "running" and progress:
        return f"{progress['model']}, {how_far(job)}"
    return ""
