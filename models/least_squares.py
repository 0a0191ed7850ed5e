"""The least squares of a network in float64: exact where the network can be.

Each row's derivatives come from one reverse pass over weights that are repeated for every row.
Rows are taken in blocks, and each block is folded into one small triangle, so memory does not
grow with the rows: if `[J r] = Q R`, then R alone has the cost and takes the same steps as
`J` and `r` (Golub & Van Loan, "Matrix Computations", section 5.3).
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.data import Array
from models.folding import fold, folded
from models.forward import forward
from models.levenberg_marquardt import minimize
from models.preprocessing import Encoded
from models.rows import Blocks, Rows

EXACT = 1e-15
"""A tolerance at which only rounding ends the search."""

ROUGH = 1e-8
"""Enough to tell a good start from a bad one."""

JACOBIAN_NUMBERS = 2**25
"""At most so many derivatives are in memory, however many rows a block may have."""

FOLDED_AT_ONCE = 64
"""Triangles, at most so many."""

FOLDED_NUMBERS = 2**22
"""And no more numbers than these, but for the last triangle."""


Floats = NDArray[np.floating]

Look = Callable[[Array], Array]
"""From weights, in one piece, to the R of `[J r]` there."""


class Solution(NamedTuple):
    """Weights, as `keras.Model.set_weights` takes them, and the mean squared errors on the way."""

    weights: list[Array]
    losses: list[float]

    @property
    def loss(self) -> float:
        """The mean squared error of the weights."""
        return min(self.losses)


class LeastSquares:
    """The problem of fitting networks of one shape, without embeddings, to some rows.

    Compiles once for all starts. Rows are taken `block_rows` at a time.
    """

    def __init__(self, network: keras.Model, rows: Rows, block_rows: int) -> None:
        self.network = network
        self.shapes = [weight.shape for weight in network.get_weights()]
        self.sizes = [int(np.prod(shape)) for shape in self.shapes]
        self.rows = rows
        self.block_rows = min(block_rows, max(1, JACOBIAN_NUMBERS // sum(self.sizes)))
        self.apart = rows.apart()
        self.look: Look = self.look_at_all
        """How the rows are looked at: here, unless somebody else is to help."""
        self._derive = tf.function(self._derivatives, jit_compile=True, autograph=False)

    def solve(
        self,
        start: list[Array],
        max_evaluations: int,
        tolerance: float = EXACT,
        on_evaluation: Callable[[int, float], None] = lambda number, loss: None,
    ) -> Solution:
        """Minimizes the mean squared error from `start`, weights as `get_weights` gives them.

        Calls `on_evaluation` after each evaluation with its number, from 1, and the mean squared
        error there.
        """
        losses: list[float] = []

        def triangle_at(theta: Array) -> Array:
            triangle = self.look(theta)
            losses.append(float(triangle[:, -1] @ triangle[:, -1]) / self.rows.rows)
            on_evaluation(len(losses), losses[-1])
            return triangle

        theta = np.concatenate([weights.ravel() for weights in start])
        found = minimize(triangle_at, theta, max_evaluations, tolerance)
        return Solution(self._unravel(found), losses)

    def look_at_all(self, theta: Array) -> Array:
        """The R of `[J r]` over all rows, `(parameters + 1, parameters + 1)`."""
        return self.look_at(theta, range(len(self.apart)))

    def look_at(self, theta: Array, groups: range) -> Array:
        """The same over some of what can be read apart, as `models.folding.folded` has it."""
        return folded(self._triangle(theta, self.apart[group]) for group in groups)

    def _triangle(self, theta: Array, blocks: Blocks) -> Array:
        triangles = [np.zeros((len(theta) + 1, len(theta) + 1))]
        at_once = max(1, min(FOLDED_AT_ONCE, FOLDED_NUMBERS // triangles[0].size))
        for block in blocks(self.block_rows):
            rows = self._derive(theta, *self._filled_up(block)).numpy()[:, : len(block.targets)]
            triangles.append(fold(rows.T))
            if len(triangles) > at_once:
                triangles = [fold(np.concatenate(triangles))]
        return fold(np.concatenate(triangles))

    def _filled_up(self, block: Encoded) -> tuple[Floats, Floats]:
        """Features and targets, with zeros behind them if each group may have a last block of its
        own length: for each length there is something to compile."""
        if len(self.apart) == 1:
            return np.ascontiguousarray(block.numbers), block.targets
        rows = len(block.targets)
        length = min(self.block_rows, 2 ** (rows - 1).bit_length())
        features = np.zeros((len(block.numbers), length))
        targets = np.zeros(length)
        features[:, :rows], targets[:rows] = block.numbers, block.targets
        return features, targets

    def _derivatives(self, theta: tf.Tensor, features: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """`[J r]` of one block, transposed: `(parameters + 1, rows)`."""
        rows = features.shape[1]
        weights = [
            tf.broadcast_to(tf.reshape(part, (*shape, 1)), (*shape, rows))
            for part, shape in zip(tf.split(theta, self.sizes), self.shapes, strict=True)
        ]
        with tf.GradientTape() as tape:
            tape.watch(weights)
            # A table's network takes codes as well; here there are none.
            no_codes = [tf.zeros((0, rows), tf.int32)] * (len(self.network.inputs) - 1)
            predictions = forward(self.network, weights, features, *no_codes)
        derivatives = tape.gradient(predictions, weights)
        jacobian = [tf.reshape(derivative, (-1, rows)) for derivative in derivatives]
        return tf.concat([*jacobian, (predictions - targets)[tf.newaxis]], axis=0)

    def _unravel(self, theta: Array) -> list[Array]:
        parts = np.split(theta, np.cumsum(self.sizes)[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]
