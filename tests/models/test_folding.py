import numpy as np
import pytest

from models.data import Array
from models.folding import fold, folded, runs


def matrices(count: int) -> list[Array]:
    draw = np.random.default_rng(count)
    return [draw.normal(size=(int(draw.integers(1, 9)), 4)) for _ in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 21])
def test_the_triangle_of_all_has_the_products_of_all(count: int) -> None:
    some = matrices(count)
    whole = np.concatenate(some)
    triangle = folded(map(fold, some))
    assert len(triangle) <= 4
    np.testing.assert_allclose(triangle.T @ triangle, whole.T @ whole, atol=1e-12)


@pytest.mark.parametrize("count", range(1, 40))
@pytest.mark.parametrize("most", [1, 3, 4, 32])
def test_runs_give_the_same_bits_whatever_their_length(count: int, most: int) -> None:
    triangles = [fold(matrix) for matrix in matrices(count)]
    some = runs(count, most)
    assert len(some) <= most
    assert [number for run in some for number in run] == list(range(count))
    by_runs = folded(folded(triangles[number] for number in run) for run in some)
    assert by_runs.tobytes() == folded(triangles).tobytes()
