"""Machines, real but for their cables, with everything that can go wrong between them."""

import os
from random import Random, SystemRandom

import pytest
from rich.console import Console

from benchmarks.table import table
from tests.machines.invariants import INVARIANTS, a_dead_workers_job_runs_elsewhere_soon
from tests.machines.network import why_not
from tests.machines.rounds import Outcome, play

pytestmark = pytest.mark.machines

SHORT_ROUNDS, SHORT_SEED = 2, 1
"""Of the form in which all play the same: in it, some worker is cut off."""

ROUNDS = int(os.environ.get("CROSSCHECK_TEST_MACHINE_ROUNDS") or SHORT_ROUNDS)
SEED = int(
    os.environ.get("CROSSCHECK_TEST_MACHINE_SEED")
    or (SHORT_SEED if ROUNDS <= SHORT_ROUNDS else SystemRandom().randrange(10**6))
)


def test_machines_lose_nothing_and_agree_whatever_comes_between_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    if reason := why_not():
        pytest.skip(reason)
    # The short form runs beside other tests, so it cannot promise how long it takes.
    short = ROUNDS <= SHORT_ROUNDS
    timely = [*INVARIANTS, a_dead_workers_job_runs_elsewhere_soon]
    jobs, invariants = (1, INVARIANTS) if short else (3, timely)
    outcomes: list[Outcome] = []
    with capsys.disabled():
        console = Console(width=160)
        console.print(f"\n{ROUNDS} rounds on machines, CROSSCHECK_TEST_MACHINE_SEED={SEED}")
        for outcome in play(ROUNDS, Random(SEED), jobs, invariants):
            outcomes.append(outcome)
            console.print(len(outcomes), f"{outcome.faults}: {outcome.seconds:.0f} s,", end=" ")
            console.print(f"{outcome.asked} asked, slowest {outcome.slowest:.1f} s,", end=" ")
            console.print(f"taken over after {_told(outcome.takeovers)}")
            for broken in outcome.broken:
                console.print(f"  {broken}", markup=False)
            if outcome.logs:
                console.print(f"  its logs are in {outcome.logs}", soft_wrap=True)
        if not short:
            print_summary(console, outcomes)
    assert [outcome for outcome in outcomes if outcome.broken] == []


def print_summary(console: Console, outcomes: list[Outcome]) -> None:
    """A line for each fault."""
    summary = table("fault", "rounds", "broken", "asked", "slowest, s", "latest takeover, s")
    names = {name for outcome in outcomes for name in outcome.faults.split(" + ")}
    for name in [*sorted(names), "all"]:
        those = [each for each in outcomes if name in {*each.faults.split(" + "), "all"}]
        summary.add_row(
            name,
            str(len(those)),
            str(sum(bool(each.broken) for each in those)),
            str(sum(each.asked for each in those)),
            f"{max(each.slowest for each in those):.1f}",
            _told([seconds for each in those for seconds in each.takeovers]),
        )
    console.print(summary)


def _told(seconds: list[float]) -> str:
    return f"{max(seconds):.1f} s" if seconds else "–"
