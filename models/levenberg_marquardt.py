"""Levenberg–Marquardt by triangles, after J. J. Moré, "The Levenberg-Marquardt algorithm:
implementation and theory" (1978), with MINPACK's constants.

A point is known by the triangle `R` of its `[J r]`. A step `p` minimizes `|J p + r|` where
`|D p|` is at most a radius of trust, `D` having the largest norm so far of each column of `J`. It
comes from the singular values of `J D⁻¹`, so derivatives that are zero or depend on each other, as
those of dead units, are no special case. The same triangles give the same steps, to the last bit.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from models.data import Array

FIRST_RADIUS = 100.0
"""Of trust, as a multiple of the norm of the scaled weights."""

WITHIN = 0.1
"""A step's length need not be the radius; so far off it may be, as a part of it."""

NEWTON_STEPS = 10

ACCEPTED = 1e-4
"""A step is taken if the cost falls by at least this part of what was predicted."""

EPSILON = float(np.finfo(np.float64).eps)


class _Step(NamedTuple):
    """A step along the singular vectors, and the damping that makes it as short as it is."""

    along: Array
    damping: float

    @property
    def length(self) -> float:
        return float(np.linalg.norm(self.along))


def minimize(
    triangle_at: Callable[[Array], Array], start: Array, max_evaluations: int, tolerance: float
) -> Array:
    """The weights at which the cost, half of `|r|²`, is least, as far as it was found.

    Ends when neither the cost nor the weights would change by more than the part `tolerance`, when
    `r` stands upright on all columns of `J` to that part, or after `max_evaluations`.

    Args:
        triangle_at: The triangle at given weights, `(parameters + 1, parameters + 1)`.
        start: The weights to begin with, `(parameters,)`.

    Raises:
        ValueError: The cost at `start` is not finite.
    """
    theta, triangle = start, triangle_at(start)
    if not np.isfinite(triangle).all():
        raise ValueError("the squared error of the first weights is not finite")
    evaluations, scale, radius = 1, np.zeros(len(start)), 0.0
    while True:
        jacobian, residuals = triangle[:, :-1], triangle[:, -1]
        norm = float(np.linalg.norm(residuals))
        columns = np.linalg.norm(jacobian, axis=0)
        if _upright(jacobian, residuals, columns) <= tolerance:
            return theta
        scale = np.maximum(scale, columns)
        divisor = np.where(scale > 0, scale, 1)
        left, values, right = np.linalg.svd(jacobian / divisor, full_matrices=False)
        against = left.T @ residuals
        if evaluations == 1:
            radius = FIRST_RADIUS * (float(np.linalg.norm(divisor * theta)) or 1)

        ratio = 0.0
        while ratio < ACCEPTED:
            step = _step(values, against, radius)
            if evaluations == 1:
                radius = min(radius, step.length)
            candidate = theta + right.T @ step.along / divisor
            candidate_triangle = triangle_at(candidate)
            evaluations += 1

            linear = (np.linalg.norm(values * step.along) / norm) ** 2
            damped = step.damping * (step.length / norm) ** 2
            predicted = float(linear + 2 * damped)
            now = float(np.linalg.norm(candidate_triangle[:, -1])) / norm
            actual = 1 - now**2 if now < 10 else -1.0  # also if it is not finite
            ratio = actual / predicted if predicted else 0.0

            if ratio <= 0.25:
                slope = -float(linear + damped)
                shrink = 0.5 if actual >= 0 else 0.5 * slope / (slope + 0.5 * actual)
                radius = max(shrink, 0.1) * min(radius, 10 * step.length)
            elif step.damping == 0 or ratio >= 0.75:
                radius = 2 * step.length
            if ratio >= ACCEPTED:
                theta, triangle = candidate, candidate_triangle
            if (
                evaluations >= max_evaluations
                or (max(abs(actual), predicted) <= max(tolerance, EPSILON) and ratio <= 2)
                or radius <= max(tolerance, EPSILON) * np.linalg.norm(divisor * theta)
            ):
                return theta


def _upright(jacobian: Array, residuals: Array, columns: Array) -> float:
    """The largest cosine between the residuals and a column; 0 if there are no residuals."""
    lengths = columns * np.linalg.norm(residuals)
    slopes = np.abs(jacobian.T @ residuals)
    return float(np.max(np.divide(slopes, lengths, out=np.zeros_like(slopes), where=lengths > 0)))


def _step(values: Array, against: Array, radius: float) -> _Step:
    """The best step within the radius, by Moré's iteration for the damping.

    Args:
        values: The singular values of the scaled Jacobian, largest first.
        against: The residuals along the left singular vectors.
    """
    solvable = values > EPSILON * len(values) * values[0]
    free = _Step(np.divide(-against, values, out=np.zeros_like(values), where=solvable), 0.0)
    if free.length <= (1 + WITHIN) * radius:
        return free
    squares, slopes = values**2, values * against
    highest = float(np.linalg.norm(slopes)) / radius
    lowest = 0.0
    if solvable.all():
        bend = float(np.sum((free.along / values) ** 2)) / free.length
        lowest = (free.length - radius) / bend
    damping = max(1e-3 * highest, np.sqrt(lowest * highest))
    for _ in range(NEWTON_STEPS):
        step = _Step(-slopes / (squares + damping), damping)
        excess = step.length - radius
        if abs(excess) <= WITHIN * radius:
            break
        bend = float(np.sum(step.along**2 / (squares + damping))) / step.length
        lowest = max(lowest, damping + excess / bend)
        if excess < 0:
            highest = damping
        damping += (step.length / radius) * excess / bend
        if not lowest <= damping <= highest:
            damping = max(1e-3 * highest, np.sqrt(lowest * highest))
    return step
