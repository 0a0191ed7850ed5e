from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import least_squares, rosen

from models.data import Array
from models.levenberg_marquardt import minimize

ROWS = np.random.default_rng(3).uniform(-1, 1, (200, 3))


def folded(
    of: Callable[[Array], tuple[Array, Array]],
) -> tuple[Callable[[Array], Array], list[int]]:
    """The triangle at given weights from the derivatives and residuals there; and a count."""
    calls: list[int] = []

    def triangle_at(theta: Array) -> Array:
        calls.append(len(calls) + 1)
        jacobian, residuals = of(theta)
        both = np.concatenate([jacobian, residuals[:, np.newaxis]], axis=1)
        return np.asarray(np.linalg.qr(both, mode="r"))

    return triangle_at, calls


def line(theta: Array) -> tuple[Array, Array]:
    return ROWS, ROWS @ (theta - [1, -2, 3])


def rosenbrock(theta: Array) -> tuple[Array, Array]:
    x, y = theta
    jacobian = np.array([[-20 * x, 10], [-1, 0], [0, 0]])
    return jacobian, np.array([10 * (y - x**2), 1 - x, 0])


def units(theta: Array) -> tuple[Array, Array]:
    """Four units and their sum, against a function that they do not hold."""
    kernel, bias, last = theta[:12].reshape(3, 4), theta[12:16], theta[16:]
    out = np.tanh(ROWS @ kernel + bias)
    slope = (1 - out**2) * last
    by_kernel = (ROWS[:, :, np.newaxis] * slope[:, np.newaxis]).reshape(len(ROWS), -1)
    targets = ROWS[:, 0] ** 2 + 0.3 * ROWS[:, 1] * ROWS[:, 2] + np.sin(5 * ROWS[:, 2])
    return np.concatenate([by_kernel, slope, out], axis=1), out @ last - targets


def test_a_line_is_found_at_once() -> None:
    triangle_at, calls = folded(line)
    np.testing.assert_allclose(minimize(triangle_at, np.zeros(3), 100, 1e-15), [1, -2, 3], 1e-15)
    assert len(calls) <= 4


def test_a_curved_valley_is_followed_to_its_end() -> None:
    triangle_at, _ = folded(rosenbrock)
    found = minimize(triangle_at, np.array([-1.2, 1.0]), 100, 1e-15)
    assert rosen(found) < 1e-28


@pytest.mark.parametrize("seed", range(5))
def test_it_ends_as_low_as_minpack(seed: int) -> None:
    start = np.random.default_rng(seed).normal(size=20)
    triangle_at, calls = folded(units)
    found = minimize(triangle_at, start, 2000, 1e-10)
    theirs = least_squares(
        lambda theta: units(theta)[1], start, lambda theta: units(theta)[0], method="lm",
        ftol=1e-10, xtol=1e-10, gtol=1e-10, max_nfev=2000,
    )  # fmt: skip
    assert np.sum(units(found)[1] ** 2) / 2 <= theirs.cost * 1.05
    assert len(calls) <= 2 * theirs.nfev + 100


def test_weights_without_any_effect_stay_and_do_no_harm() -> None:
    def with_dead_units(theta: Array) -> tuple[Array, Array]:
        jacobian, residuals = line(theta[:3])
        return np.pad(jacobian, ((0, 0), (0, 2))), residuals

    triangle_at, _ = folded(with_dead_units)
    found = minimize(triangle_at, np.array([0, 0, 0, 7.0, -7.0]), 100, 1e-15)
    np.testing.assert_allclose(found, [1, -2, 3, 7, -7], 1e-14)


def test_weights_with_the_same_effect_share_it() -> None:
    def twice(theta: Array) -> tuple[Array, Array]:
        jacobian, residuals = line(theta[:3] + theta[3:])
        return np.tile(jacobian, 2), residuals

    triangle_at, _ = folded(twice)
    found = minimize(triangle_at, np.zeros(6), 100, 1e-15)
    np.testing.assert_allclose(found, [0.5, -1, 1.5] * 2, 1e-14)


def test_a_place_without_a_finite_error_is_stepped_back_from() -> None:
    def logarithm(theta: Array) -> tuple[Array, Array]:
        with np.errstate(all="ignore"):
            return np.array([[1 / theta[0]], [0]]), np.array([np.log(theta[0] / 3), 0])

    triangle_at, _ = folded(logarithm)
    assert minimize(triangle_at, np.array([50.0]), 100, 1e-15)[0] == pytest.approx(3)


def test_no_more_evaluations_are_made_than_allowed() -> None:
    triangle_at, calls = folded(units)
    minimize(triangle_at, np.random.default_rng(0).normal(size=20), 7, 1e-15)
    assert len(calls) == 7


def test_a_start_without_a_finite_error_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        minimize(lambda theta: np.full((2, 2), np.inf), np.zeros(1), 10, 1e-15)


def test_the_same_start_takes_the_same_steps_to_the_last_bit() -> None:
    start = np.random.default_rng(1).normal(size=20)
    once, again = (minimize(folded(units)[0], start, 200, 1e-15) for _ in range(2))
    assert np.array_equal(once, again)
