import json
import math
import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest
from scipy.stats import t

from models.comparison import Difference, compare, over_splits, worse
from models.losses import Losses, group_counts
from models.schema import Task

ROWS = 400
COUNTS = group_counts(ROWS)


def losses_of(level: float, repeats: int = 1, seed: int = 0) -> Losses:
    """Squared errors `(repeats, ROWS)`; about the square of `level` on average."""
    result: Losses = (level * np.random.default_rng(seed).normal(size=(repeats, ROWS))) ** 2
    return result


def by_pair(
    losses: Mapping[str, Losses], task: Task = "regression"
) -> dict[tuple[str, str], Difference]:
    return {(each.a, each.b): each for each in compare(losses, COUNTS, task, 42)}


def test_each_row_is_compared_with_each_after_it() -> None:
    rows = {name: losses_of(1.0, seed=seed) for seed, name in enumerate(("dense", "cross", "mean"))}
    assert [*by_pair(rows)] == [("dense", "cross"), ("dense", "mean"), ("cross", "mean")]


def test_the_difference_is_that_of_the_reported_losses() -> None:
    losses = {"cross": losses_of(1.0, 3), "mean": losses_of(2.0, seed=1)}
    rmse = {name: np.mean(np.sqrt(of.mean(axis=1))) for name, of in losses.items()}
    log_loss = {name: of.mean() for name, of in losses.items()}
    for task, of in (("regression", rmse), ("binary", log_loss)):
        (difference,) = compare(losses, COUNTS, task, 0)  # type: ignore[arg-type]
        assert difference.difference == pytest.approx(of["cross"] - of["mean"])
        assert difference.low < difference.difference < difference.high < 0


def test_the_better_one_is_named_whichever_comes_first() -> None:
    good, bad = losses_of(1.0, 3), losses_of(2.0, 3, seed=1)
    first = by_pair({"cross": good, "dense": bad})["cross", "dense"]
    second = by_pair({"dense": bad, "cross": good})["dense", "cross"]
    assert first.verdict == second.verdict == "cross is better than dense"
    assert first.better == second.better == "cross"
    assert first.high < 0 < second.low
    assert (second.difference, second.low, second.high) == pytest.approx(
        (-first.difference, -first.high, -first.low)
    )


def test_a_small_difference_is_not_shown() -> None:
    difference = by_pair({"cross": losses_of(1.0, 2), "dense": losses_of(1.01, 2, seed=1)})
    only = difference["cross", "dense"]
    assert only.verdict == "no difference between cross and dense is shown"
    assert only.better is None
    assert only.low < 0 < only.high


def test_the_same_losses_make_no_difference_at_all() -> None:
    same = losses_of(1.0, 5)
    only = by_pair({"cross": same, "dense": same.copy()})["cross", "dense"]
    assert only[2:5] == (0.0, 0.0, 0.0)
    assert only.verdict == "no difference between cross and dense is shown"


def test_what_is_exact_to_rounding_is_no_different() -> None:
    found = by_pair(
        {
            "cross": losses_of(1e-15, 3),
            "dense": losses_of(1e-3, 3, seed=1),
            "products": losses_of(1e-16, seed=2),
            "mean": losses_of(0.7, seed=3),
        }
    )
    exact = found["cross", "products"]
    assert exact[2:5] == (0.0, 0.0, 0.0)
    assert exact.verdict == (
        "no difference between cross and products is shown: both are exact to rounding"
    )
    assert found["cross", "dense"].verdict == "cross is better than dense"
    assert found["dense", "products"].verdict == "products is better than dense"


def test_equal_but_for_rounding_is_not_called_exact() -> None:
    found = by_pair(
        {"a": losses_of(0.5), "b": losses_of(0.5 * (1 + 1e-14)), "mean": losses_of(0.7, seed=3)}
    )
    assert found["a", "b"][2:5] == (0.0, 0.0, 0.0)
    assert found["a", "b"].verdict == "no difference between a and b is shown"


def test_without_the_mean_predictor_nothing_is_taken_for_rounding() -> None:
    found = by_pair({"cross": losses_of(1e-15), "products": losses_of(1e-16, seed=2)})
    assert found["cross", "products"].verdict == "products is better than cross"


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("task", ["regression", "binary"])
def test_repeats_that_diverged_count_and_leave_the_figures_finite(value: float, task: Task) -> None:
    losses = {"cross": losses_of(1.0, 5), "dense": losses_of(0.99, 5, seed=1)}
    where = slice(7, 8) if not math.isfinite(value) else slice(None)
    losses["dense"][2, where] = value
    one = by_pair(losses, task)["cross", "dense"]
    assert all(map(math.isfinite, one[2:5]))
    assert one.better is None  # the others are better, if anything: that may have been bad luck
    assert one.difference < -1e40
    losses["dense"][:, where] = value
    every = by_pair(losses, task)["cross", "dense"]
    assert every.better == "cross"
    json.dumps([one, every], allow_nan=False)
    if not math.isfinite(value):
        no = "no difference between cross and dense is shown"
        infinite = "the loss of dense is not finite in"
        assert one.verdict == f"{no}; {infinite} 1 of its 5 repeats"
        assert every.verdict == f"cross is better than dense; {infinite} 5 of its 5 repeats"


def test_a_baseline_whose_loss_is_not_finite_is_the_worse_one() -> None:
    found = by_pair({"cross": losses_of(1.0, 2), "linear": np.full((1, ROWS), np.inf)})
    assert found["cross", "linear"].verdict == (
        "cross is better than linear; the loss of linear is not finite"
    )


def test_dead_repeats_are_not_left_out() -> None:
    dense = np.concatenate([losses_of(0.01, 3), losses_of(0.7, 2, seed=1)])
    found = by_pair({"dense": dense, "trees": losses_of(0.1, seed=2)})
    assert found["dense", "trees"].difference == pytest.approx(
        0.6 * 0.01 + 0.4 * 0.7 - 0.1, abs=0.03
    )
    assert found["dense", "trees"].better is None


def test_the_same_seed_gives_the_same_figures_to_the_last_digit() -> None:
    losses = {name: losses_of(1.0, 5, seed) for seed, name in enumerate("abcd")}
    first, again = (compare(losses, COUNTS, "regression", 3) for _ in range(2))
    assert first == again
    assert first != compare(losses, COUNTS, "regression", 4)


def test_a_challenger_is_worse_if_its_interval_is_above_zero() -> None:
    (bad,), (good,) = losses_of(2.0), losses_of(1.0, seed=1)
    shown = worse(bad, good, COUNTS, "regression", 0)
    assert shown.low > 0
    assert shown.verdict == "the champion is better than the challenger"
    assert worse(good, bad, COUNTS, "regression", 0).high < 0
    alike = np.roll(good, 1)
    assert worse(alike, good, COUNTS, "regression", 0).low < 0


def test_a_challenger_is_not_worse_by_rounding_alone() -> None:
    (ours,), (theirs,) = losses_of(1e-15), losses_of(1e-16, seed=1)
    assert worse(ours, theirs, COUNTS, "regression", 0).low > 0
    assert worse(ours, theirs, COUNTS, "regression", 0, mean=0.7).low == 0
    assert worse(theirs, theirs, COUNTS, "regression", 0)[2:5] == (0.0, 0.0, 0.0)


def test_a_challenger_is_never_worse_than_a_champion_whose_loss_is_not_a_number() -> None:
    (ours,) = losses_of(1.0)
    assert worse(ours, np.full(ROWS, np.nan), COUNTS, "regression", 0).high < 0
    assert worse(np.full(ROWS, np.nan), ours, COUNTS, "regression", 0).low > 0


def test_differences_over_splits_are_less_certain_than_their_spread_says() -> None:
    differences = np.array([1.0, 2.0, 3.0, 4.0])
    mean, low, high = over_splits(differences, test_share=0.2)
    reach = t.ppf(0.975, 3) * math.sqrt((1 / 4 + 1 / 4) * np.var(differences, ddof=1))
    assert (mean, low, high) == pytest.approx((2.5, 2.5 - reach, 2.5 + reach))
    naive = t.ppf(0.975, 3) * np.std(differences, ddof=1) / 2
    assert high - mean > naive


@pytest.mark.parametrize(("splits", "share"), [(1, 0.2), (0, 0.2), (5, 0.0), (5, 1.0)])
def test_splits_must_be_several_and_have_both_sides(splits: int, share: float) -> None:
    with pytest.raises(ValueError, match=f"Received: {splits} and {share}"):
        over_splits(np.ones(splits), share)


def test_comparing_imports_neither_tensorflow_nor_scipy_nor_pyarrow() -> None:
    program = (
        "import sys, models.verdicts; print({'tensorflow', 'scipy', 'pyarrow'} & {*sys.modules})"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "set()\n"
