import numpy as np
from scipy.sparse import csr_array

from models.baselines.matrix import Matrix

DRAW = np.random.default_rng(0)
MATRIX = Matrix(DRAW.normal(size=(3, 20)), csr_array(DRAW.integers(0, 2, (20, 5)).astype(float)))
WHOLE = MATRIX.toarray()


def test_it_computes_what_the_whole_array_would() -> None:
    weights, of_rows = DRAW.normal(size=(8, 2)), DRAW.normal(size=20)
    assert WHOLE.shape == (20, 8)
    np.testing.assert_allclose(MATRIX.times(weights), WHOLE @ weights)
    np.testing.assert_allclose(MATRIX.times(weights[:, 0]), WHOLE @ weights[:, 0])
    np.testing.assert_allclose(MATRIX.transposed_times(of_rows), WHOLE.T @ of_rows)
    np.testing.assert_allclose(MATRIX.gram(), WHOLE.T @ WHOLE)
    scaled = MATRIX.scaled(of_rows).toarray()
    np.testing.assert_allclose(scaled, WHOLE * of_rows[:, np.newaxis])


def test_it_may_have_no_sparse_column() -> None:
    dense = MATRIX._replace(words=MATRIX.words[:, :0])
    np.testing.assert_allclose(dense.gram(), WHOLE[:, :3].T @ WHOLE[:, :3])
