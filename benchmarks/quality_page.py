"""The figures of `benchmarks.quality` as tables: on the terminal, and on a page."""

import re
from pathlib import Path
from statistics import mean, stdev

from rich.table import Table

from benchmarks.serving import Fields
from benchmarks.table import table
from service.commands.comparison_table import in_words


def printed(done: Fields) -> list[Table | str]:
    """The rows of a work, and what is reached, for the terminal."""
    result = table(done["title"], *_headings(done))
    for name, row in done["rows"].items():
        result.add_row(name, *_cells(row), f"{row['seconds']:.1f}")
    return [result, *(f"{line}\n" for line in _lines(done))]


def write(page: Path, done: Fields) -> None:
    """Writes the rows of a work between its two marks on a page. Raises ValueError without them."""
    begin, end = f"<!-- {done['name']} -->", "<!-- end -->"
    text = page.read_text()
    pattern = re.compile(f"({re.escape(begin)}\n).*?({end})", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"{page} has no place for {begin}")
    written = _markdown(done)
    page.write_text(pattern.sub(lambda found: found[1] + written + found[2], text))


def _markdown(done: Fields) -> str:
    headings = ["", *_headings(done)]
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)]]
    for name, row in done["rows"].items():
        lines.append([name, *_cells(row), f"{row['seconds']:.1f}"])
    rows = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"\n{rows}\n" + "".join(f"- {line}\n" for line in _lines(done))


def _headings(done: Fields) -> tuple[str, ...]:
    return "parameters", in_words(done["score"]), "others report", "seconds"


def _cells(row: Fields) -> tuple[str, str, str]:
    scores = row["scores"]
    spread = f" ± {stdev(scores):.1g}" if len(scores) > 1 else ""
    return f"{row['parameters']:,}", f"{mean(scores):.4g}{spread}", row["published"] or ""


def _lines(done: Fields) -> list[str]:
    splits, slowest = done["splits"], max(done["job_seconds"])
    over = f"Mean of {splits} splits" if splits > 1 else "One split"
    lines = [f"{over}; the slowest job took {slowest:.0f} s."]
    for said, reached in done["goals"]:
        lines.append(f"{'Reached' if reached else 'Not reached'}: {said}.")
    if len(done["rows"]) > 2:
        lines.append(f"Best on the rows that choose: {done['best']}.")
    if against := done["to_trees"]:
        difference, low, high = (against[name] for name in ("difference", "low", "high"))
        lines.append(f"It less trees: {difference:.3g} (95% interval {low:.3g} to {high:.3g}).")
    lines.append(f"The verdict of the first job: {done['verdicts'][0]}.")
    return [*lines, *(f"And: {said}." for said in done["exact"])]
