"""The demo on a table of one's own: from a file to predictions."""

import re
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any, BinaryIO

import httpx
from rich import box
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from service.demo.calls import answer, console, fail, get, post, progress_bars, show
from service.demo.service import Steps
from service.demo.training import train

SCORES = {
    "regression": ("test_rmse", "test_mae", "test_r2"),
    "binary": ("test_log_loss", "test_auc", "test_accuracy"),
}

CHUNK_BYTES = 2**20
FREQUENT = 3
PREDICTED = 3


def steps(path: Path, target: str) -> Steps:
    """What to do with a table. If its file cannot be read, that ends the demo."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            fail(f"'{path}' cannot be read: it is no regular file")
        path.open("rb").close()
    except OSError as error:
        fail(f"'{path}' cannot be read: {error.strerror}")
    return partial(_demonstrate, path, target)


def _demonstrate(path: Path, target: str, client: httpx.Client) -> None:
    dataset = _upload(client, path, target)
    console.print(_profile_table(dataset))
    for note in _notes(dataset):
        console.print(note, markup=False)

    name = dataset["name"]
    train(client, {"dataset": name}, SCORES[dataset["task"]])

    rows = get(client, f"/datasets/{name}/rows", limit=PREDICTED)["rows"]
    features = [feature["name"] for feature in dataset["features"]]
    instances = [{feature: row[feature] for feature in features} for row in rows]
    predicted = post(client, "/predict", {"dataset": name, "instances": instances})
    console.print(_prediction_table(dataset, rows, predicted))


def dataset_name(file: str) -> str:
    """A name for the dataset of a file: `Houses 2024.csv.gz` is `houses-2024`."""
    stem = file.partition(".")[0].lower()
    return re.sub(r"[^a-z0-9_-]+", "-", stem).strip("_-")[:64] or "table"


def _upload(client: httpx.Client, path: Path, target: str) -> dict[str, Any]:
    size = path.stat().st_size
    with path.open("rb") as file, progress_bars() as bars:
        bar = bars.add_task("upload", total=size, state="")
        request = client.build_request(
            "PUT",
            f"/datasets/{dataset_name(path.name)}",
            params={"target": target},
            headers={"Content-Length": str(size)},
            content=_chunks(file, size, partial(bars.update, bar)),
            timeout=httpx.Timeout(30, read=None),  # a large table is read for long
        )
        show(f"curl -T {quote(str(path))} {quote(str(request.url))}")
        response = client.send(request)
        state = "refused" if response.is_error else decimal(size)
        bars.update(bar, total=1, completed=response.is_success, state=state)
    return answer(response)


def _chunks(file: BinaryIO, size: int, tell: Callable[..., None]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk
        tell(completed=file.tell(), state=f"{decimal(file.tell())} of {decimal(size)}")
    tell(total=None, state="the service reads it")


def _profile_table(dataset: dict[str, Any]) -> Table:
    name, rows = dataset["name"], dataset["rows"]
    title = f"{name}, revision {dataset['revision']}: {rows:,} rows"
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("column", "type", "missing", "distinct", "values"):
        table.add_column(heading, justify="right" if heading in ("missing", "distinct") else "left")
    for column in dataset["profile"]:
        role = "" if column["role"] == "feature" else f", {column['role']}"
        distinct = column["distinct"]
        cells = (
            column["name"],
            column["type"] + role,
            f"{column['missing']:,}",
            "many" if distinct is None else f"{distinct:,}",
            _values(column, rows),
        )
        table.add_row(*map(Text, cells))
    return table


def _values(column: dict[str, Any], rows: int) -> str:
    if column["least"] is None:
        frequent = column["most_frequent"][:FREQUENT]
        return ", ".join(f"{_in_short(value)} {count / rows:.0%}" for value, count in frequent)
    span = f"{_in_short(column['least'])} … {_in_short(column['greatest'])}"
    return span if column["mean"] is None else f"{span}, mean {_in_short(column['mean'])}"


def _notes(dataset: dict[str, Any]) -> Iterator[str]:
    yield from dataset["notes"]
    for column in dataset["profile"]:
        for note in column["notes"]:
            yield f"{column['name']}: {note}"


def _prediction_table(
    dataset: dict[str, Any], rows: list[dict[str, Any]], predicted: dict[str, Any]
) -> Table:
    target, classes = dataset["target"], dataset["classes"]
    what = f"probability of {classes[1]}" if classes else target
    table = Table(box=box.SIMPLE_HEAD)
    by = f"{predicted['model']}, version {predicted['version']}"
    for heading in ("row", f"true {target}", f"{what} by {by}"):
        table.add_column(Text(heading))
    for number, (row, prediction) in enumerate(zip(rows, predicted["predictions"], strict=True), 1):
        true = classes[int(row[target])] if classes else row[target]
        table.add_row(str(number), Text(_in_short(true)), _in_short(prediction))
    return table


def _in_short(value: bool | float | str) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:.6g}"
    return str(value)
