"""Which of two rows of a comparison is better, and whether that is more than luck.

With repeats, what is said of a network is said of its recipe; where it was trained once, of that
one network. Rows are taken for independent of each other: where they are not, as those of one
customer, intervals are too narrow. And each stands alone: of twenty that should hold zero, one
does not.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.bootstrap import Resampled, interval, resample
from models.losses import Losses
from models.schema import Task

ROUNDING = 1e-12
"""Less than so much of the mean predictor's loss is rounding."""


class Difference(NamedTuple):
    """Of two rows of a comparison, the loss of `a` less that of `b`: negative, `a` is better.

    In the unit in which losses are reported: RMSE, or the mean log loss.
    """

    a: str
    b: str
    difference: float
    low: float
    """Of the 95% interval. A difference is shown if the interval does not hold zero."""
    high: float
    verdict: str
    """One sentence, without a full stop."""

    @property
    def better(self) -> str | None:
        """The one that is shown to be better, if any."""
        return _better(self.a, self.b, self.low, self.high)


def compare(
    losses: Mapping[str, Losses], counts: NDArray[np.integer], task: Task, seed: int
) -> list[Difference]:
    """Compares each row of a comparison with each that comes after it.

    Args:
        losses: Of each row, the sums of its losses by group, `(repeats, groups)`; of a baseline
            `(1, groups)`. By those called `mean`, the mean predictor's, it is known what is exact
            to rounding. Losses that are not finite count as very large ones.
        counts: How many rows each group has, `(groups,)`.
        seed: Of the draws: the same one gives the same intervals.
    """
    rows = resample(losses, counts, task, seed)
    return _differences(losses, rows, rows["mean"].loss if "mean" in rows else 0.0)


def worse(
    challenger: Losses,
    champion: Losses,
    counts: NDArray[np.integer],
    task: Task,
    seed: int,
    mean: float = 0.0,
) -> Difference:
    """How much larger a challenger's loss is; it is shown to be worse if `low` is above zero.

    Args:
        challenger: The sums of its losses by group, `(groups,)`, on the rows that choose.
        champion: The same of what serves.
        counts: How many rows each group has, `(groups,)`.
        seed: Of the draws.
        mean: The mean predictor's loss as reported, of which a tiny part is rounding.
    """
    losses = {"the challenger": challenger[np.newaxis], "the champion": champion[np.newaxis]}
    (difference,) = _differences(losses, resample(losses, counts, task, seed), mean)
    return difference


def over_splits(differences: Losses, test_share: float) -> tuple[float, float, float]:
    """The mean of differences over several random splits of the same rows, and its 95% interval.

    This is the corrected resampled t interval of Nadeau and Bengio, "Inference for the
    Generalization Error", 2003: the training rows of two splits are mostly the same, so that the
    mean is less certain than the spread says.

    Args:
        differences: Of each split, one loss less another, `(splits,)`.
        test_share: The test rows' part of training and test rows together.

    Raises:
        ValueError: There are fewer than two splits, or the share is not between 0 and 1.
    """
    from scipy.stats import t

    splits = len(differences)
    if splits < 2 or not 0 < test_share < 1:
        raise ValueError(
            "there must be two splits or more, and `test_share` must be between 0 and 1. "
            f"Received: {splits} and {test_share}"
        )
    mean, variance = float(np.mean(differences)), float(np.var(differences, ddof=1))
    corrected = (1 / splits + test_share / (1 - test_share)) * variance
    reach = float(t.ppf(0.975, splits - 1)) * corrected**0.5
    return mean, mean - reach, mean + reach


def _differences(
    losses: Mapping[str, Losses], rows: Mapping[str, Resampled], mean: float
) -> list[Difference]:
    result = []
    for a, b in combinations(losses, 2):
        ours, theirs = rows[a], rows[b]
        same = np.array_equal(losses[a], losses[b])
        low, high = (0.0, 0.0) if same else interval(ours, theirs, losses[a].shape[1])
        difference, low, high = (
            0.0 if abs(figure) <= ROUNDING * mean else figure
            for figure in (ours.loss - theirs.loss, low, high)
        )
        exact = max(ours.loss, theirs.loss) <= ROUNDING * mean
        said = _said(a, b, _better(a, b, low, high), exact)
        said += _infinite(a, ours) + _infinite(b, theirs)
        result.append(Difference(a, b, difference, low, high, said))
    return result


def _better(a: str, b: str, low: float, high: float) -> str | None:
    if high < 0:
        return a
    return b if low > 0 else None


def _said(a: str, b: str, better: str | None, exact: bool) -> str:
    if better is None:
        why = ": both are exact to rounding" if exact else ""
        return f"no difference between {a} and {b} is shown{why}"
    return f"{better} is better than {b if better == a else a}"


def _infinite(name: str, row: Resampled) -> str:
    if not row.infinite:
        return ""
    where = "" if row.repeats == 1 else f" in {row.infinite} of its {row.repeats} repeats"
    return f"; the loss of {name} is not finite{where}"
