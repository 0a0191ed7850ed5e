"""A paired bootstrap of the losses of several rows of a comparison, and its intervals.

Whether one network is better than another is asked of the recipe, not of one lucky start: the
interval holds the luck of the test rows and that of the seed (Bouthillier et al., "Accounting for
Variance in Machine Learning Benchmarks", 2021). Each replicate draws groups of test rows, the same
for all rows of the comparison, and repeats, for each network its own. Drawing both is a little
cautious: the luck of one repeat with one row counts twice (Owen, "The Pigeonhole Bootstrap", 2007).

The intervals are percentile intervals. They never reach where no loss can be, however skewed the
repeats are, of which some may have died (Efron and Tibshirani, "An Introduction to the Bootstrap",
1993, chapter 13). BCa would need a jackknife over rows and repeats at once, and thousands of rows
leave little bias to correct. Where there is little to draw from, percentile intervals are too
narrow, and two remedies are known. Each draw is of one fewer than there are, which makes the
variance right (Rao and Wu, "Resampling Inference with Complex Survey Data", 1988); and the
interval goes as far into the tails as Student's t would (the expanded percentile interval of
Hesterberg, "What Teachers Should Know About the Bootstrap", 2015).

In simulations where the luck of the seed is most of all, 95% intervals hold the truth 18 or 19
times of 20 with three repeats and more, 17 or 18 times with two.
"""

from collections.abc import Mapping
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.losses import Losses
from models.schema import Task

REPLICATES = 2000

AT_A_TIME = 2**20
"""Groups drawn at a time, of some replicates together: memory stays bounded."""

LARGEST = 1e100
"""A mean loss that is larger, or not finite, counts as so much: results stay finite."""

FEWEST = 6
"""With fewer groups, luck alone makes them all favour the same one more than once in twenty times:
intervals then hold zero."""


class Resampled(NamedTuple):
    """A row of the comparison, in the unit in which losses are reported: RMSE, or log loss."""

    loss: float
    """The mean over its repeats."""
    repeats: int
    infinite: int
    """How many repeats have a loss that is not finite."""
    variance: float
    """Of the mean, by the luck of the seed."""
    over_groups: Losses
    """The loss in each replicate, `(REPLICATES,)`, with all repeats."""
    replicates: Losses
    """The loss in each replicate, with the repeats that were drawn."""


def resample(
    losses: Mapping[str, Losses], counts: NDArray[np.integer], task: Task, seed: int
) -> dict[str, Resampled]:
    """Draws the replicates of all rows of a comparison; arguments as those of `compare`."""
    sums = np.concatenate(list(losses.values()))
    finite = np.isfinite(sums).all(axis=1)
    # A mean is not finite if one of its terms is not, whatever is drawn.
    sums = np.minimum(np.where(finite[:, np.newaxis], sums, np.inf), LARGEST * counts)
    whole, drawn = sums.sum(axis=1) / counts.sum(), _over_groups(sums, counts, seed)
    if task == "regression":
        whole, drawn = np.sqrt(whole), np.sqrt(drawn)
    result, end = {}, 0
    for name, of_repeats in losses.items():
        repeats = len(of_repeats)
        start, end = end, end + repeats
        each, over_groups = whole[start:end], drawn[:, start:end]
        # By its name, so that a row's draws do not depend on what else is compared.
        draw = np.random.default_rng([seed, *name.encode()])
        result[name] = Resampled(
            float(each.mean()),
            repeats,
            int(np.count_nonzero(~finite[start:end])),
            float(each.var(ddof=1)) / repeats if repeats > 1 else 0.0,
            over_groups.mean(axis=1),
            _over_repeats(over_groups, draw),
        )
    return result


def interval(ours: Resampled, theirs: Resampled, groups: int) -> tuple[float, float]:
    """The 95% interval of our loss less theirs; both were resampled together."""
    variances = (
        (float(np.var(ours.over_groups - theirs.over_groups)), groups - 1),
        (ours.variance, ours.repeats - 1),
        (theirs.variance, theirs.repeats - 1),
    )
    beyond = _tail(variances)
    differences = ours.replicates - theirs.replicates
    low, high = np.quantile(differences, [beyond, 1 - beyond]).tolist()
    return (min(low, 0.0), max(high, 0.0)) if groups < FEWEST else (low, high)


def _over_groups(sums: Losses, counts: NDArray[np.integer], seed: int) -> Losses:
    """Mean losses `(REPLICATES, repeats)` over drawn groups, of sums `(repeats, groups)`."""
    draw, groups = np.random.default_rng(seed), len(counts)
    columns = np.column_stack([*sums, counts])
    drawn = np.empty((REPLICATES, columns.shape[1]))
    at_a_time = max(1, AT_A_TIME // groups)
    for start in range(0, REPLICATES, at_a_time):
        part = drawn[start : start + at_a_time]
        chosen = draw.integers(groups, size=(len(part), max(1, groups - 1)))
        # Each replicate has numbers of its own: one count does for all of them.
        chosen += groups * np.arange(len(part))[:, np.newaxis]
        times = np.bincount(chosen.ravel(), minlength=len(part) * groups)
        part[:] = times.reshape(len(part), groups).astype(np.float64) @ columns
    means: Losses = drawn[:, :-1] / drawn[:, -1:]
    return means


def _over_repeats(losses: Losses, draw: np.random.Generator) -> Losses:
    """The means `(REPLICATES,)` over drawn repeats, of losses `(REPLICATES, repeats)`."""
    repeats = losses.shape[1]
    chosen = draw.integers(repeats, size=(len(losses), max(1, repeats - 1)))
    means: Losses = np.take_along_axis(losses, chosen, axis=1).mean(axis=1)
    return means


def _tail(variances: tuple[tuple[float, int], ...]) -> float:
    """The part of a normal distribution that lies beyond 97.5% of Student's t.

    Args:
        variances: The parts of a variance, and the degrees of freedom of each; those of the
            whole follow as Welch and Satterthwaite have it.
    """
    whole = sum(variance for variance, _ in variances) or 1.0
    inverse = sum((part / whole) ** 2 / freedom for part, freedom in variances if part)
    # Of t, the expansion 26.7.5 of Abramowitz and Stegun in the inverse degrees of freedom.
    return NormalDist().cdf(-float(np.polyval([1.589, 2.556, 2.823, 2.372, 1.96], inverse)))
