"""Least squares with a penalty on the squares of the coefficients, and without one.

Rows come in blocks, and memory does not grow with them. Where that takes no more than a moment,
each block is folded into one triangle: if `[A y] = Q R`, then R alone tells the solution of
`A x = y` (Golub & Van Loan, "Matrix Computations", section 5.3), and one correction by what is
left of y makes it exact to the last digits. The sums of products `A'A` take less time, and would
lose half of the digits; with a penalty that does not matter.
"""

import numpy as np
from scipy.linalg import cho_factor, cho_solve, lstsq

from models.baselines.design import BLOCK_NUMBERS, Design
from models.baselines.drawn import drawn
from models.baselines.fitted import Fitted
from models.data import Array
from models.folding import fold, folded
from models.rows import Blocks, Rows, Sides

PENALTIES = (1000.0, 100.0, 10.0, 1.0, 0.1)
"""Of squared coefficients, where an error of a row costs its square."""

ENOUGH = 0.999
"""A weaker penalty has to make the validation error that much smaller."""

EXACT = 0.5
"""No penalty at all has to make it that much smaller.

Columns that hardly differ may then get huge coefficients, which explode on a row where they do.
"""

FOLDED = 2**32
"""Folded are at most so many rows times columns squared."""

SUMMED = 2**36
"""The same for sums of products; of more rows some are drawn."""

ROWS_PER_COLUMN = 10
"""So many rows are used in any case."""

SINGULAR = 1e-12
"""Directions in which columns are smaller than that, to the greatest, tell nothing."""


def fit(design: Design, sides: Sides, seed: int) -> Fitted:
    """Fits the targets; the validation rows choose the penalty.

    The constant is free of it. No penalty at all is tried where a triangle is folded, and taken
    where it is exact, or nearly so.
    """
    rows = sides.train.rows
    unpenalized = []
    if rows * design.columns**2 <= FOLDED:
        triangle = _triangle(design, sides.train)
        columns, reduced = triangle[:, :-1], triangle[:, -1]
        gram, across = columns.T @ columns, columns.T @ reduced
        exact = lstsq(columns, reduced, cond=SINGULAR)[0]
        unpenalized.append(exact + _correction(design, sides.train, columns, exact))
    else:
        most = max(SUMMED // design.cost**2, ROWS_PER_COLUMN * design.columns)
        rows, gram, across = _sums(design, sides.train, most, seed)
    penalized = np.diag(np.arange(design.columns) > 0).astype(float)
    candidates = [
        cho_solve(cho_factor(gram + penalty * penalized), across) for penalty in PENALTIES
    ]
    weights = np.stack(candidates + unpenalized, axis=1)
    errors = _errors(design, weights, sides.validation)
    errors[len(PENALTIES) :] /= EXACT
    best = weights[:, np.flatnonzero(ENOUGH * errors <= errors.min())[0]]
    return Fitted(lambda block: design.times(block, best), design.columns, rows)


def _triangle(design: Design, rows: Rows) -> Array:
    """The R of `[A y]` over all rows, with `columns + 1` columns and no more rows."""
    size = max(1, min(design.block_rows, BLOCK_NUMBERS // design.columns))

    def triangle_of(blocks: Blocks) -> Array:
        triangle = np.empty((0, design.columns + 1))
        for block in blocks(size):
            matrix = np.column_stack([design.matrix(block).toarray(), block.targets])
            triangle = fold(np.concatenate([triangle, matrix]))
        return triangle

    return folded(map(triangle_of, rows.apart()))


def _correction(design: Design, rows: Rows, triangle: Array, weights: Array) -> Array:
    """What takes the rounding of all folds out of the weights."""
    left = np.zeros(len(weights))
    for blocks in rows.apart():
        for block in blocks(design.block_rows):
            matrix = design.matrix(block)
            left += matrix.transposed_times(block.targets - matrix.times(weights))
    half = lstsq(triangle.T, left, cond=SINGULAR)[0]
    result: Array = lstsq(triangle, half, cond=SINGULAR)[0]
    return result


def _sums(design: Design, rows: Rows, most: int, seed: int) -> tuple[int, Array, Array]:
    """How many rows were drawn, and `A'A` and `A'y` over them."""
    used, gram, across = 0, np.zeros((design.columns,) * 2), np.zeros(design.columns)
    for block in drawn(rows, most, design.block_rows, seed):
        matrix = design.matrix(block)
        used += len(block.targets)
        gram += matrix.gram()
        across += matrix.transposed_times(block.targets.astype(np.float64))
    return used, gram, across


def _errors(design: Design, weights: Array, rows: Rows) -> Array:
    """The RMSE of each of some weights `(columns, …)`."""
    squares = np.zeros(weights.shape[1])
    for block in rows.blocks(design.block_rows):
        errors = design.times(block, weights) - block.targets[:, np.newaxis]
        squares += (errors**2).sum(axis=0)
    result: Array = np.sqrt(squares / rows.rows)
    return result
