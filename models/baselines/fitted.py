"""What every baseline comes to."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.preprocessing import Encoded

Predict = Callable[[Encoded], NDArray[np.float64]]
"""From encoded rows to `(rows,)`."""


class Fitted(NamedTuple):
    """A model of encoded targets: scaled ones, or the probability of the positive class."""

    predict: Predict
    parameters: int
    """How many numbers were learned: coefficients; of trees, their nodes."""
    rows: int
    """How many training rows were used; of a large table perhaps not all."""
