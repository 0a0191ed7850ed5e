import hashlib

import numpy as np
import pytest

from models.config import SyntheticDataset
from models.data import load, synthetic_triples, target


@pytest.mark.parametrize(
    ("triple", "expected"),
    [
        ((0.5, 0.25, 1.0), 0.25 + 0.125 + 0.25 + 1.0),
        ((1.0, 0.0, 0.0), 1.0),
        ((0.0, 1.0, 0.0), 0.0),
        ((0.0, 0.0, 1.0), 1.0),
        ((1.0, 0.5, 0.0), 1.5),
        ((0.0, 0.5, 1.0), 1.5),
        ((1.0, 0.0, 1.0), 2.0),
    ],
)
def test_the_target_of_a_triple_is_its_quadratic_form(
    triple: tuple[float, float, float], expected: float
) -> None:
    # A second row shows that rows do not mix.
    assert target(np.array([triple, (0.0, 0.0, 0.0)])).tolist() == [expected, 0.0]


@pytest.mark.parametrize(("size", "seed"), [(10, 0), (1000, 42), (17, 2**32 - 1)])
def test_rows_are_the_draw_of_the_legacy_generator(size: int, seed: int) -> None:
    rows = synthetic_triples(size, seed)
    expected = np.random.RandomState(seed).randint(200, size=(size, 3)) / 200
    assert rows.features.dtype == rows.targets.dtype == np.float64
    np.testing.assert_array_equal(rows.features, expected)
    np.testing.assert_array_equal(rows.targets, target(expected))


def test_the_first_rows_of_seed_42_never_change() -> None:
    # The experiment's published errors rest on these numbers.
    assert synthetic_triples(2, 42).features.tolist() == [[0.51, 0.895, 0.46], [0.07, 0.53, 0.355]]


@pytest.mark.parametrize(
    ("size", "eval_fraction", "train_rows"), [(1000, 0.1, 900), (10, 0.25, 8), (10, 0.94, 1)]
)
def test_the_first_rows_are_the_training_split_and_the_rest_is_held_out(
    size: int, eval_fraction: float, train_rows: int
) -> None:
    dataset = load(SyntheticDataset(size=size, seed=3, eval_fraction=eval_fraction))
    features, targets = synthetic_triples(size, 3)
    np.testing.assert_array_equal(dataset.train.features, features[:train_rows])
    np.testing.assert_array_equal(dataset.train.targets, targets[:train_rows])
    np.testing.assert_array_equal(dataset.eval.features, features[train_rows:])
    np.testing.assert_array_equal(dataset.eval.targets, targets[train_rows:])


def test_the_fingerprint_is_the_digest_of_all_features_then_all_targets() -> None:
    features, targets = synthetic_triples(100, 42)
    expected = hashlib.sha256(features.tobytes() + targets.tobytes()).hexdigest()
    assert load(SyntheticDataset(size=100)).fingerprint == expected


def test_the_fingerprint_tells_datasets_apart() -> None:
    def fingerprint(size: int, seed: int) -> str:
        return load(SyntheticDataset(size=size, seed=seed)).fingerprint

    assert fingerprint(100, 1) == fingerprint(100, 1)
    assert len({fingerprint(100, 1), fingerprint(100, 2), fingerprint(101, 1)}) == 3
