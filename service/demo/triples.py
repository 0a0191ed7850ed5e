"""The demo on the built-in dataset: the experiment, its best recipe, predictions."""

from typing import Any

from rich import box
from rich.table import Table

from service.client import Client
from service.commands.output import out
from service.demo.calls import post
from service.demo.training import train

TRIPLES = [[0.5, 0.5, 0.5], [0.1, 0.2, 0.3], [0.9, 0.0, 0.7]]

BEST = {"preset": "best"}


def demonstrate(service: Client) -> None:
    """Trains twice, and predicts."""
    out.print("\nThe experiment, as it was published:")
    train(service, None)

    out.print("The same data, the best recipe:")
    train(service, BEST)

    out.print(_prediction_table(post(service, "/predict", {"instances": TRIPLES})))


def _prediction_table(answer: dict[str, Any]) -> Table:
    table = Table(
        "triple", "true", f"{answer['model']}, version {answer['version']}", box=box.SIMPLE_HEAD
    )
    for (x0, x1, x2), prediction in zip(TRIPLES, answer["predictions"], strict=True):
        true = x0**2 + x0 * x1 + x1 * x2 + x2**2
        table.add_row(f"{x0}, {x1}, {x2}", f"{true:.6f}", f"{prediction:.6f}")
    return table
