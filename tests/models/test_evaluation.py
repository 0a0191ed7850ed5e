from typing import Any

import numpy as np
import pytest

from models.config import SyntheticDataset
from models.data import Array, Dataset, Split, load
from models.evaluation import (
    BLOCK_ROWS,
    Scores,
    evaluate,
    in_blocks,
    mean_predictor,
    mean_squared_error,
)


def split(targets: list[float]) -> Split:
    # The first feature is the target.
    features = np.zeros((len(targets), 3))
    features[:, 0] = targets
    return Split(features, np.array(targets))


def dataset(train_targets: list[float], eval_targets: list[float]) -> Dataset:
    return Dataset(split(train_targets), split(eval_targets), fingerprint="")


def test_the_error_is_the_mean_of_the_squared_differences() -> None:
    assert mean_squared_error(np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 0.0])) == 13 / 3


def test_rmse_is_the_square_root_of_mse_on_both_splits() -> None:
    scores = evaluate(
        lambda features: np.zeros(len(features)), dataset([1.0, 7.0], [6.0, 6.0, 0.0, 0.0])
    )
    assert scores == Scores(
        train_rmse=5.0, eval_rmse=float(np.sqrt(18.0)), train_mse=25.0, eval_mse=18.0
    )


def test_a_perfect_predictor_has_no_error() -> None:
    scores = evaluate(lambda features: features[:, 0], dataset([0.1, 0.2], [0.3]))
    assert scores == Scores(0.0, 0.0, 0.0, 0.0)


def test_errors_of_float32_predictions_are_taken_in_float64() -> None:
    # 1 + 2**-12 is a float32, but in float32 its square would lose the 2**-24 at its end.
    def predict(features: Array) -> Any:
        return np.full(len(features), -(2.0**-12), np.float32)

    assert evaluate(predict, dataset([1.0], [0.0])).train_mse == 1 + 2**-11 + 2**-24


@pytest.mark.parametrize("rows", [1, BLOCK_ROWS, BLOCK_ROWS + 1, 2 * BLOCK_ROWS + 5])
def test_predicting_in_blocks_equals_predicting_the_whole(rows: int) -> None:
    features = np.random.default_rng(0).random((rows, 3))
    sizes: list[int] = []

    def predict(block: Array) -> Array:
        sizes.append(len(block))
        result: Array = block[:, 0] - 2 * block[:, 1] + block[:, 2] ** 2
        return result

    predictions = in_blocks(predict, features)
    assert sum(sizes) == rows
    assert max(sizes) <= BLOCK_ROWS
    np.testing.assert_array_equal(predictions, predict(features), strict=True)


def test_the_mean_predictor_answers_the_mean_of_the_training_targets() -> None:
    # Mean 2: training differences are -1 and 1, held out ones 3 and -1.
    assert mean_predictor(dataset([1.0, 3.0], [5.0, 1.0])) == Scores(
        train_rmse=1.0, eval_rmse=float(np.sqrt(5.0)), train_mse=1.0, eval_mse=5.0
    )


def test_the_mean_predictors_errors_are_those_of_the_experiment() -> None:
    scores = mean_predictor(load(SyntheticDataset()))
    assert scores.train_rmse == 0.689292448648356
    assert scores.eval_rmse == 0.688865395052829
