import math

import numpy as np
import pytest

from models import losses
from models.losses import GroupSums, group_counts, log_losses, reported, squared_errors


def test_row_i_is_of_group_i_modulo_the_number_of_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "GROUPS", 4)
    groups = GroupSums(10)
    for block in ([1.0, 2, 4], [8.0], [16.0, 32, 64, 128, 256], [], [512.0]):
        groups.add(np.array(block))
    assert groups.sums.tolist() == [1 + 16 + 256, 2 + 32 + 512, 4 + 64, 8 + 128]
    assert group_counts(10).tolist() == [3, 3, 2, 2]


@pytest.mark.parametrize("rows", [1, 9_999, 10_000, 10_001, 123_456])
def test_each_row_is_in_one_of_at_most_so_many_groups(rows: int) -> None:
    counts = group_counts(rows)
    assert counts.shape == GroupSums(rows).sums.shape == (min(rows, 10_000),)
    assert counts.sum() == rows
    assert counts.min() >= 1
    assert np.ptp(counts) <= 1


def test_few_rows_keep_their_losses_to_the_last_bit() -> None:
    each = np.random.default_rng(0).random(1000)
    groups = GroupSums(1000)
    groups.add(each)
    np.testing.assert_array_equal(groups.sums, each)


def test_squared_errors_are_taken_in_float64_and_are_infinite_beyond() -> None:
    predictions = np.array([-(2.0**-12), 2.0, -3e38], np.float32)
    assert squared_errors(predictions, np.array([1.0, 4.0, 0.0])).tolist() == [
        1 + 2**-11 + 2**-24,
        4.0,
        float(np.float32(3e38)) ** 2,
    ]
    assert squared_errors(np.array([1e200]), np.zeros(1)).tolist() == [np.inf]


def test_the_log_loss_is_that_of_the_class_the_row_has() -> None:
    result = log_losses(np.array([0.25, 0.25, 1.0, 1.0]), np.array([1.0, 0.0, 1.0, 0.0]))
    eps = float(np.finfo(float).eps)
    assert result == pytest.approx([math.log(4), -math.log(0.75), 0, -math.log(eps)])


def test_a_regression_is_reported_by_its_rmse() -> None:
    assert reported(9.0, "regression") == 3.0
    assert reported(9.0, "binary") == 9.0
