from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from models.embeddings import Embeddings, NumericEmbeddings


def array(*rows: tuple[float, ...]) -> Any:
    return np.array(rows, np.float32)


def test_embeddings_stand_behind_the_numbers_in_the_order_of_the_features() -> None:
    layer = Embeddings([(2, 1), (3, 2)])
    numbers, codes = array((0.5, -1), (7, 8)), np.array([[1, 0], [0, 2]], np.int32)
    layer(numbers, codes)
    layer.set_weights([array((10,), (11,)), array((1, 2), (3, 4), (5, 6))])
    assert layer(numbers, codes).numpy().tolist() == [[0.5, -1, 11, 1, 2], [7, 8, 10, 5, 6]]


def test_numbers_or_codes_alone_are_a_row_too() -> None:
    no_numbers, no_codes = np.empty((1, 0), np.float32), np.empty((1, 0), np.int32)
    assert Embeddings([])(array((1, 2)), no_codes).numpy().tolist() == [[1, 2]]
    words = Embeddings([(3, 2)], "ones")(no_numbers, np.array([[2]], np.int32))
    assert words.numpy().tolist() == [[1, 1]]


def test_embeddings_made_from_a_config_are_the_same() -> None:
    uniform = keras.initializers.RandomUniform(-1, 1, seed=3)
    layer = Embeddings([(4, 2)], uniform, name="words", dtype="float64")
    again = Embeddings.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    row = np.zeros((1, 1)), np.array([[3]], np.int32)
    np.testing.assert_array_equal(again(*row), layer(*row), strict=True)


def test_codes_of_another_number_of_features_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`codes` must have the shape \(batch_size, 2\)"):
        Embeddings([(4, 2), (3, 1)])(array((1, 2)), np.array([[1]], np.int32))


def waves() -> NumericEmbeddings:
    draw = keras.initializers.RandomNormal(seed=keras.random.SeedGenerator(1))
    return NumericEmbeddings(2, 3, 4, draw, draw, draw, name="waves", dtype="float64")


def test_each_number_has_waves_and_a_layer_of_its_own_and_marks_stay() -> None:
    layer, x = waves(), np.array([[0.5, -2.0, 1.0], [0.0, 0.25, 0.0]])
    output = layer(x)
    frequencies, kernel, bias = layer.get_weights()
    assert [each.shape for each in (frequencies, kernel, bias)] == [(2, 3), (2, 6, 4), (2, 4)]
    for row, given in zip(output.numpy(), x, strict=True):
        for number in range(2):
            angles = 2 * np.pi * frequencies[number] * given[number]
            affine = np.r_[np.sin(angles), np.cos(angles)] @ kernel[number] + bias[number]
            own = row[4 * number : 4 * number + 4]
            np.testing.assert_allclose(own, np.maximum(affine, 0), rtol=1e-12, atol=1e-15)
        assert row[8] == given[2]
    assert output.shape == (2, 9)
    assert (output.numpy()[:, :8] > 0).any()


def test_the_faster_a_wave_the_less_it_says_at_first() -> None:
    ones, fast = keras.initializers.Ones(), keras.initializers.Constant(5.0)
    for frequency, begins in ((ones, 1.0), (fast, 1 / 25), (keras.initializers.Constant(0.1), 1.0)):
        layer = NumericEmbeddings(2, 3, 4, frequency, ones, dtype="float64")
        layer.build((None, 2))
        np.testing.assert_allclose(layer.kernel, np.full((2, 6, 4), begins), rtol=1e-12)


def test_numeric_embeddings_made_from_a_config_are_the_same(tmp_path: Path) -> None:
    layer = waves()
    again = NumericEmbeddings.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()

    numbers = keras.Input((3,), dtype="float64")
    model = keras.Model(numbers, layer(numbers))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    rows = np.array([[0.5, -2.0, 1.0]])
    np.testing.assert_array_equal(loaded(rows), model(rows), strict=True)


def test_numbers_that_are_too_few_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`x` must hold 2 numbers or more. Received: shape="):
        waves()(np.ones((1, 1)))
