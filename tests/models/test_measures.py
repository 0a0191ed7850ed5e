from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from models import measures
from models.measures import Measure, Measured, OfBinary, OfRegression, Tenth


def measured_by(kind: type[Measure], blocks: Sequence[tuple[Any, Any]], rows: int) -> Measured:
    measure = kind(rows)
    for predictions, targets in blocks:
        measure.add(predictions, targets)
    return measure.result()


def test_the_order_of_predictions_alone_decides_the_area_under_the_curve() -> None:
    negatives, positives = np.array([1.0, 2, 3]), np.array([2.0, 3, 9])
    assert measures._area(negatives, positives) == (1.5 + 2.5 + 3) / 9
    assert measures._area(negatives, negatives + 9) == 1.0
    assert measures._area(negatives, negatives - 9) == 0.0


def test_calibration_leaves_out_empty_tenths_and_counts_the_ends() -> None:
    blocks = [
        (np.array([0.0, 0.0625, 1.0]), np.array([0.0, 1.0, 1.0])),
        (np.array([0.5, 0.53125, 0.9375, 0.3]), np.array([1.0, 0.0, 1.0, 0.0])),
    ]
    assert measured_by(OfBinary, blocks, 7).calibration == [
        Tenth(predicted=0.03125, observed=0.5, rows=2),
        Tenth(predicted=0.3, observed=0.0, rows=1),
        Tenth(predicted=0.515625, observed=0.5, rows=2),
        Tenth(predicted=0.96875, observed=1.0, rows=2),
    ]


def test_predictions_that_are_far_off_are_measured_and_not_finite() -> None:
    measured = measured_by(OfRegression, [(np.array([1e200, 0.0]), np.array([0.0, 1.0]))], 2)
    assert measured.scores["rmse"] == np.inf
    assert measured.losses.tolist() == [np.inf, 1.0]


def test_the_brier_score_is_the_mean_squared_error_of_the_probabilities() -> None:
    pairs = [(np.array([0.25, 0.75], np.float32), np.array([0.0, 0.0]))]
    assert measured_by(OfBinary, pairs, 2).scores["brier"] == pytest.approx((0.25**2 + 0.75**2) / 2)
