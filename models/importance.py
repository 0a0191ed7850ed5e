"""How much a prediction depends on each feature: how much is lost when its values are shuffled.

Breiman, "Random Forests", 2001; Fisher, Rudin and Dominici, "All Models Are Wrong, but Many Are
Useful", 2019. It is the importance for what predicts, not for the world: of two features that say
the same, either may seem to matter little.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.columns import Columns
from models.losses import Losses, error
from models.schema import Task

ROWS = 10_000
"""So many rows are enough."""


class Importance(NamedTuple):
    """How much larger the loss is with the values of a feature shuffled: RMSE, or mean log loss."""

    increase: float
    """The mean over several shuffles; below zero, the feature did harm on these rows."""
    deviation: float
    """The standard deviation over the shuffles; 0 if there was one."""


def permutation_importance(
    predict: Callable[[Columns], NDArray[Any]],
    columns: Columns,
    targets: Losses,
    task: Task,
    seed: int,
    repeats: int = 5,
) -> dict[str, Importance]:
    """Shuffles each feature in turn, with all others as they are.

    Args:
        predict: A function of raw rows whose result is `(rows,)`.
        columns: Raw rows, not those of training; of more than `ROWS`, as many are taken, spread
            over all.
        targets: `(rows,)`, in the table's unit, or 0 and 1.
        seed: Of the shuffles. Those of a feature follow from it and the feature's name.
        repeats: Shuffles of each feature.
    """
    rows = min(len(targets), ROWS)
    chosen = np.arange(rows) * len(targets) // rows
    columns, targets = {name: values[chosen] for name, values in columns.items()}, targets[chosen]

    def loss(of: Columns) -> float:
        return error(predict(of), targets, task)

    whole, result = loss(columns), {}
    for name, values in columns.items():
        draw = np.random.default_rng([seed, *name.encode()])
        increases = [
            loss({**columns, name: draw.permutation(values)}) - whole for _ in range(repeats)
        ]
        deviation = float(np.std(increases, ddof=1)) if repeats > 1 else 0.0
        result[name] = Importance(float(np.mean(increases)), deviation)
    return result
