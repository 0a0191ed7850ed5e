"""The real service, with everything that can go wrong going wrong at random moments."""

import os
from pathlib import Path
from random import Random, SystemRandom

import pytest
from rich.console import Console

from benchmarks.table import table
from tests.faults.invariants import it_is_ready_soon
from tests.faults.rounds import PROMISES, Outcome, play

pytestmark = pytest.mark.faults

SHORT_ROUNDS = 5
"""A minute; a third of the faults."""

ROUNDS = int(os.environ.get("CROSSCHECK_TEST_FAULT_ROUNDS") or SHORT_ROUNDS)
SEED = int(os.environ.get("CROSSCHECK_TEST_FAULT_SEED") or SystemRandom().randrange(10**6))


def test_nothing_is_lost_doubled_or_half_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = ROUNDS <= SHORT_ROUNDS
    # A short form runs beside other tests, so it cannot promise how long it takes.
    jobs, promises = (1, PROMISES) if short else (3, [*PROMISES, it_is_ready_soon])
    outcomes: list[Outcome] = []
    with capsys.disabled():
        console = Console()
        console.print(f"\n{ROUNDS} rounds of faults, CROSSCHECK_TEST_FAULT_SEED={SEED}")
        for outcome in play(tmp_path, ROUNDS, Random(SEED), jobs, promises):
            outcomes.append(outcome)
            if not short:
                console.print(len(outcomes), outcome.fault, f"{outcome.seconds_to_ready:.1f} s")
            for broken in outcome.broken:
                console.print(f"  {broken}", markup=False)
        if not short:
            print_summary(console, outcomes)
    assert [outcome for outcome in outcomes if outcome.broken] == []


def print_summary(console: Console, outcomes: list[Outcome]) -> None:
    """A line for each fault."""
    summary = table(
        "fault", "rounds", "broken", "asked", "answered", "failed", "wrong", "slowest ready, s"
    )
    for name in [*sorted({outcome.fault for outcome in outcomes}), "all"]:
        those = [outcome for outcome in outcomes if name in {outcome.fault, "all"}]
        summary.add_row(
            name,
            str(len(those)),
            str(sum(bool(outcome.broken) for outcome in those)),
            str(sum(outcome.asked for outcome in those)),
            str(sum(outcome.answered for outcome in those)),
            str(sum(outcome.failed for outcome in those)),
            str(sum(outcome.wrong for outcome in those)),
            f"{max(outcome.seconds_to_ready for outcome in those):.1f}",
        )
    console.print(summary)
