"""Logistic regression with a penalty on the squares of the coefficients."""

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import expit, logit

from models.baselines.design import Design
from models.baselines.drawn import drawn
from models.baselines.fitted import Fitted
from models.baselines.matrix import Matrix
from models.baselines.ridge import ENOUGH, PENALTIES
from models.data import Array
from models.losses import cross_entropies
from models.rows import Rows, Sides

MEMORY_NUMBERS = 2**25
"""At most so many numbers of a design are in memory; of more rows some are drawn."""

ITERATIONS = 200
TOLERANCE = 1e-7
"""Of a row's loss: relative change from one iteration to the next, and gradient."""

FLAT = 1e-6
"""The least second derivative of a row's loss that is reckoned with."""

Blocks = list[tuple[Matrix, Array]]
"""Rows, and their targets."""


def fit(design: Design, sides: Sides, seed: int) -> Fitted:
    """Fits the log-odds of the positive class; the validation rows choose the penalty.

    It is of half the squared coefficients, where a row costs its cross-entropy; the constant is
    free of it. From the strongest penalty on, weaker ones are tried as long as
    they are better on the validation rows.
    """
    most = MEMORY_NUMBERS // design.cost
    blocks = [
        (design.matrix(block), block.targets.astype(np.float64))
        for block in drawn(sides.train, most, design.block_rows, seed)
    ]
    rows = sum(len(targets) for _, targets in blocks)
    positive = (sum(float(targets.sum()) for _, targets in blocks) + 0.5) / (rows + 1)
    penalized = (np.arange(design.columns) > 0).astype(float)
    weights = np.zeros(design.columns)
    weights[0] = logit(positive)
    best, least = weights, np.inf
    for penalty in PENALTIES:
        weights = _minimum(blocks, penalty * penalized, weights)
        loss = _loss(design, weights, sides.validation)
        if loss > ENOUGH * least:
            break
        best, least = weights, loss

    return Fitted(lambda block: expit(design.times(block, best)), design.columns, rows)


def _minimum(blocks: Blocks, penalties: Array, start: Array) -> Array:
    """The weights of the least loss, from weights near by.

    Looked for in coordinates in which the loss curves alike in all directions, at the start at
    least; there, few iterations will do.
    """
    rows = sum(len(targets) for _, targets in blocks)
    curvatures = np.diag(penalties)
    for matrix, _ in blocks:
        curvatures += _curvatures(matrix, start)
    factor = cholesky(curvatures)

    def weights_of(point: Array) -> Array:
        weights: Array = solve_triangular(factor, point)
        return weights

    def loss_and_gradient(point: Array) -> tuple[float, Array]:
        weights = weights_of(point)
        loss, gradient = 0.5 * float(penalties @ weights**2), penalties * weights
        for matrix, targets in blocks:
            log_odds = matrix.times(weights)
            loss += float(cross_entropies(log_odds, targets).sum())
            gradient = gradient + matrix.transposed_times(expit(log_odds) - targets)
        return loss / rows, solve_triangular(factor, gradient, trans="T") / rows

    found = minimize(
        loss_and_gradient,
        factor @ start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": ITERATIONS, "ftol": TOLERANCE, "gtol": TOLERANCE},
    )
    return weights_of(found.x)


def _curvatures(matrix: Matrix, weights: Array) -> Array:
    """The second derivatives of the loss of these rows."""
    probabilities = expit(matrix.times(weights))
    of_rows = np.maximum(probabilities * (1 - probabilities), FLAT)
    return matrix.scaled(np.sqrt(of_rows)).gram()


def _loss(design: Design, weights: Array, rows: Rows) -> float:
    """The mean cross-entropy."""
    total = 0.0
    for block in rows.blocks(design.block_rows):
        log_odds = design.times(block, weights)
        total += float(cross_entropies(log_odds, block.targets.astype(np.float64)).sum())
    return total / rows.rows
