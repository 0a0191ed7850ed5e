"""The demo on the built-in dataset: the experiment, its best recipe, predictions."""

from typing import Any

import httpx
from rich import box
from rich.table import Table

from service.demo.calls import console, post
from service.demo.training import train

TRIPLES = [[0.5, 0.5, 0.5], [0.1, 0.2, 0.3], [0.9, 0.0, 0.7]]

BEST = {"preset": "best"}

SCORES = ("train_rmse", "eval_rmse")
DIGITS = (15, 10)


def demonstrate(client: httpx.Client) -> None:
    """Trains twice, and predicts."""
    console.print("\nThe experiment, as it was published:")
    train(client, None, SCORES, DIGITS)

    console.print("The same data, the best recipe:")
    train(client, BEST, SCORES, DIGITS)

    console.print(_prediction_table(post(client, "/predict", {"instances": TRIPLES})))


def _prediction_table(answer: dict[str, Any]) -> Table:
    table = Table(
        "triple", "true", f"{answer['model']}, version {answer['version']}", box=box.SIMPLE_HEAD
    )
    for (x0, x1, x2), prediction in zip(TRIPLES, answer["predictions"], strict=True):
        true = x0**2 + x0 * x1 + x1 * x2 + x2**2
        table.add_row(f"{x0}, {x1}, {x2}", f"{true:.6f}", f"{prediction:.6f}")
    return table
