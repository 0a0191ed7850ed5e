"""A comparison as a table for people."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

ABBREVIATIONS = {"rmse": "RMSE", "mae": "MAE", "r2": "R²", "auc": "AUC"}

SHOWN = (
    ("test_rmse", "test_mae", "test_r2"),
    ("test_log_loss", "test_auc", "test_accuracy"),
    ("train_rmse", "eval_rmse"),
)
"""Which scores: the first of these that the rows have."""

DIGITS_OF_TRIPLES = (15, 10)
"""Of the mean predictor's, and of the networks'."""

DIGITS = (5, 5)


def compared(comparisons: list[dict[str, Any]]) -> RenderableType:
    """Comparisons, each with its verdict in a sentence."""
    parts: list[RenderableType] = []
    for each in comparisons:
        parts.append(comparison_table(each))
        if each["verdict"] is not None:
            parts.append(Text(f"{each['verdict']['summary']}\n"))
        if learning := [n for n, row in each["models"].items() if row.get("still_learning")]:
            said = "still learning when the epochs ended, and maybe better with more"
            parts.append(Text(f"{said}: {', '.join(learning)}\n"))
    return Group(*parts)


def comparison_table(comparison: dict[str, Any]) -> Table:
    """A row for each baseline and network."""
    rows: dict[str, dict[str, Any]] = comparison["models"]
    scores = _scores(rows)
    of_mean, of_others = DIGITS_OF_TRIPLES if scores == SHOWN[-1] else DIGITS
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("", "parameters", *map(in_words, scores)):
        table.add_column(heading, no_wrap=True)
    table.add_column("version")
    for name, row in rows.items():
        shown = of_mean if name == "mean" else of_others
        table.add_row(
            name,
            str(row["parameters"]),
            *(_cell(score, row, shown, spread=score == scores[0]) for score in scores),
            Text(_standing(row)),
        )
    return table


def in_digits(score: str, value: float, digits: int) -> str:
    """A score for people. R² is near 0 or 1, and 1e-06 of it is nothing."""
    return f"{value:z.4f}" if score.endswith("r2") else f"{value:.{digits}g}"


def in_words(score: str) -> str:
    """The name of a score for people: `test_rmse` is `test RMSE`."""
    return " ".join(ABBREVIATIONS.get(word, word) for word in score.split("_"))


def _scores(rows: dict[str, dict[str, Any]]) -> Sequence[str]:
    has = set[str]().union(*rows.values())
    return next((scores for scores in SHOWN if has.issuperset(scores)), ())


def _cell(score: str, row: dict[str, Any], digits: int, spread: bool) -> str:
    """The mean over the repeats, where there are some; and its spread, if that is to be shown."""
    deviations = row.get("standard_deviation", {})
    if score not in deviations:
        return in_digits(score, row[score], digits) if score in row else ""
    mean = in_digits(score, row["mean"][score], digits)
    return f"{mean} ± {deviations[score]:.2g}" if spread else mean


def _standing(row: dict[str, Any]) -> str:
    if "version" not in row:
        return ""
    if row["serving"]:
        return f"{row['version']}, serving"
    return f"{row['version']}, {row['refused']}" if row["refused"] else str(row["version"])
