from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm, t

from models import bootstrap
from models.bootstrap import interval, resample
from models.comparison import compare
from models.losses import GROUPS, GroupSums, Losses, group_counts

Draw = np.random.Generator


def errors(
    draw: Draw, rows: int, scales: NDArray[np.float64], shared: NDArray[np.float64]
) -> Losses:
    """Squared errors `(repeats, rows)`: those of a row are alike in all networks, more so in one.

    Their mean is the square of the scale.
    """
    own = draw.normal(size=rows)
    of_repeat = draw.normal(size=(len(scales), rows))
    result: Losses = (
        scales[:, np.newaxis] * (0.7 * shared + 0.6 * own + 0.15**0.5 * of_repeat)
    ) ** 2
    return result


def even(draw: Draw, repeats: int) -> NDArray[np.float64]:
    return draw.normal(1.0, 0.2, repeats)


def some_died(draw: Draw, repeats: int) -> NDArray[np.float64]:
    return np.where(draw.random(repeats) < 0.4, 2.0, 0.5) + draw.normal(0, 0.1, repeats)


@pytest.mark.parametrize(
    ("scales", "mean", "ours", "theirs"),
    [
        (even, 1.0, 1, 1),
        (even, 1.0, 5, 5),
        (even, 1.0, 5, 1),
        (some_died, 1.1, 5, 5),
        (some_died, 1.1, 10, 1),
    ],
)
def test_19_of_20_intervals_hold_the_true_difference_of_two_recipes(
    scales: Callable[[Draw, int], NDArray[np.float64]], mean: float, ours: int, theirs: int
) -> None:
    draw = np.random.default_rng(0)
    rows, held, trials = 200, 0, 200

    def recipe(repeats: int) -> NDArray[np.float64]:
        return np.ones(1) if repeats == 1 else scales(draw, repeats)  # one is no recipe with luck

    truth = [1.0 if repeats == 1 else mean for repeats in (ours, theirs)]
    for trial in range(trials):
        shared = draw.normal(size=rows)
        losses = {
            "cross": errors(draw, rows, recipe(ours), shared),
            "dense": errors(draw, rows, recipe(theirs), shared),
        }
        (difference,) = compare(losses, group_counts(rows), "regression", trial)
        held += difference.low <= truth[0] - truth[1] <= difference.high
    assert 0.9 <= held / trials <= 0.99


def test_rows_that_are_hard_for_both_do_not_widen_the_interval() -> None:
    draw = np.random.default_rng(0)
    hard, elsewhere = draw.exponential(size=(2, 1, 500))
    better = hard * draw.uniform(0.8, 1.1, (1, 500))
    paired, apart = (
        compare({"a": better, "b": other}, group_counts(500), "regression", 0)[0]
        for other in (hard, elsewhere)
    )
    assert paired.high - paired.low < (apart.high - apart.low) / 5
    assert paired.better == "a"
    assert apart.better is None


def test_groups_of_rows_give_the_interval_of_the_rows() -> None:
    draw = np.random.default_rng(0)
    rows = 4 * GROUPS + 7
    shared = draw.normal(size=rows)
    by_row = {name: errors(draw, rows, even(draw, 3), shared) for name in ("a", "b")}
    by_group = {}
    for name, losses in by_row.items():
        sums = [GroupSums(rows) for _ in losses]
        for groups, of_repeat in zip(sums, losses, strict=True):
            groups.add(of_repeat)
        by_group[name] = np.array([groups.sums for groups in sums])
    alone = {name: losses[:1] for name, losses in by_row.items()}
    alone_by_group = {name: losses[:1] for name, losses in by_group.items()}
    for whole, grouped in ((by_row, by_group), (alone, alone_by_group)):
        (exact,) = compare(whole, np.ones(rows, int), "regression", 0)
        (coarse,) = compare(grouped, group_counts(rows), "regression", 0)
        assert coarse.difference == pytest.approx(exact.difference, rel=1e-9)
        width = exact.high - exact.low
        assert coarse.low == pytest.approx(exact.low, abs=0.06 * width)
        assert coarse.high == pytest.approx(exact.high, abs=0.06 * width)


def test_the_spread_over_rows_is_the_standard_error_of_the_mean() -> None:
    losses = np.random.default_rng(0).exponential(size=(1, 2000))
    resampled = resample({"a": losses}, group_counts(2000), "binary", 0)["a"]
    error = np.std(losses, ddof=1) / 2000**0.5
    assert np.std(resampled.replicates) == pytest.approx(error, rel=0.05)
    assert resampled.loss == pytest.approx(losses.mean())


def test_the_spread_over_repeats_is_the_standard_error_of_their_mean() -> None:
    levels = np.array([1.0, 2.0, 4.0, 8.0])
    losses = np.repeat(levels[:, np.newaxis], 50, axis=1)  # each row is like the others
    resampled = resample({"a": losses}, group_counts(50), "binary", 0)["a"]
    error = np.std(levels, ddof=1) / 2
    assert np.std(resampled.replicates) == pytest.approx(error, rel=0.05)
    assert resampled.variance**0.5 == pytest.approx(error)


def test_what_a_row_draws_does_not_depend_on_what_else_is_compared() -> None:
    draw = np.random.default_rng(0)
    losses = {name: draw.exponential(size=(5, 300)) for name in "abc"}
    few = resample({name: losses[name] for name in "ab"}, group_counts(300), "regression", 7)
    many = resample({name: losses[name] for name in "cab"}, group_counts(300), "regression", 7)
    np.testing.assert_allclose(few["b"].replicates, many["b"].replicates, rtol=1e-12)


def test_the_same_seed_gives_the_same_replicates_and_another_gives_others() -> None:
    losses = {"a": np.random.default_rng(0).exponential(size=(3, 40))}
    first, again, other = (
        resample(losses, group_counts(40), "regression", seed)["a"].replicates for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_groups_count_by_their_rows() -> None:
    # The mean loss of all rows is 2, however they are grouped.
    resampled = resample({"a": np.array([[2.0, 6.0]])}, np.array([1, 3]), "binary", 0)["a"]
    assert resampled.loss == 2.0
    assert set(resampled.replicates) == {2.0}


@pytest.mark.parametrize("freedom", [2, 3, 4, 9, 30, 10_000])
def test_intervals_go_as_far_as_students_t(freedom: int) -> None:
    beyond = bootstrap._tail(((2.0, freedom), (0.0, 0)))
    assert -norm.ppf(beyond) == pytest.approx(t.ppf(0.975, freedom), rel=0.01)
    # Welch and Satterthwaite: two equal parts have twice the degrees of freedom of one.
    beyond = bootstrap._tail(((3.0, freedom), (3.0, freedom)))
    assert -norm.ppf(beyond) == pytest.approx(t.ppf(0.975, 2 * freedom), rel=0.01)


@pytest.mark.parametrize(("groups", "shown"), [(1, False), (5, False), (6, True)])
def test_a_handful_of_rows_shows_nothing_however_clear_they_are(groups: int, shown: bool) -> None:
    losses: dict[str, Losses] = {
        "a": np.ones((1, groups)),
        "b": np.linspace(9, 10, groups)[np.newaxis],
    }
    rows = resample(losses, group_counts(groups), "regression", 0)
    low, high = interval(rows["b"], rows["a"], groups)
    assert (low > 0) == shown
    assert high > 0


def test_no_replicate_is_where_no_loss_can_be() -> None:
    # Symmetric intervals would reach below the best of the repeats.
    levels = np.array([0.01, 0.02, 9.0, 0.01, 0.02])
    losses: Losses = np.repeat(levels[:, np.newaxis] ** 2, 100, axis=1)
    small: Losses = np.full((1, 100), 0.001**2)
    rows = resample({"a": losses, "b": small}, group_counts(100), "regression", 0)
    low, high = interval(rows["a"], rows["b"], 100)
    assert 0.008 < low < 0.03
    assert 2 < high < 9
