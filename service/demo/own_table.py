"""The demo on a table of one's own: from a file to predictions."""

from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from service.client import Client, path_of
from service.commands.dataset_table import described, in_short
from service.commands.output import out
from service.commands.upload import dataset_name, upload
from service.demo.calls import get, post, show
from service.demo.service import Steps
from service.demo.training import train

PREDICTED = 3


def steps(path: Path, target: str) -> Steps:
    """What to do with a table."""
    return partial(_demonstrate, path, target)


def _demonstrate(path: Path, target: str, service: Client) -> None:
    name, parameters = dataset_name(path.name), {"target": target}
    to = service.url_of(path_of("datasets", name), parameters)
    show(f"curl -T {quote(str(path))} {quote(to)}")
    with path.open("rb") as file:
        dataset = upload(service, file, name, parameters)
    out.print(described([dataset]))

    train(service, {"dataset": name})

    rows = get(service, f"/datasets/{name}/rows", limit=PREDICTED)["rows"]
    features = [feature["name"] for feature in dataset["features"]]
    instances = [{feature: row[feature] for feature in features} for row in rows]
    predicted = post(service, "/predict", {"dataset": name, "instances": instances})
    out.print(_prediction_table(dataset, rows, predicted))


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
        table.add_row(str(number), Text(in_short(true)), in_short(prediction))
    return table
