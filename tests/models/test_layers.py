from pathlib import Path
from typing import Any

import keras
import keras_rs
import numpy as np
import pytest

from models.layers import CrossLayer, Embeddings


def array(*rows: tuple[float, ...]) -> Any:
    return np.array(rows, np.float32)


def test_without_x_the_input_is_crossed_with_itself() -> None:
    layer = CrossLayer(kernel_initializer="ones")
    # (1 + 2 + 3) · x0 + x0, and (4 + 0 - 2) · x0 + x0
    output = layer(array((1, 2, 3), (4, 0, -2)))
    assert output.numpy().tolist() == [[7, 14, 21], [12, 0, -6]]


def test_the_input_is_multiplied_with_the_map_of_x_and_x_is_added() -> None:
    layer = CrossLayer(kernel_initializer="ones")
    # (1 + 1 + 2) · (1, 2, 3) + (1, 1, 2)
    assert layer(array((1, 2, 3)), array((1, 1, 2))).numpy().tolist() == [[5, 9, 14]]


def test_the_bias_belongs_to_the_map() -> None:
    layer = CrossLayer(kernel_initializer="zeros", bias_initializer="ones")
    assert layer(array((1, 2, 3)), array((5, 6, 7))).numpy().tolist() == [[6, 8, 10]]


@pytest.mark.parametrize("features", [1, 3, 8])
def test_a_layer_holds_one_square_kernel_and_one_bias(features: int) -> None:
    layer = CrossLayer()
    layer.build((None, features))
    assert [weight.shape for weight in layer.trainable_weights] == [
        (features, features),
        (features,),
    ]
    assert layer.non_trainable_weights == []


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_layer_computes_what_the_reference_computes(dtype: str) -> None:
    draw = np.random.default_rng(1)
    x0, x = draw.normal(size=(2, 50, 3)).astype(dtype)
    layer, reference = CrossLayer(dtype=dtype), keras_rs.layers.FeatureCross(dtype=dtype)
    layer(x0), reference(x0)
    # A kernel that is not symmetric and a bias that is not zero.
    weights = [draw.normal(size=shape) for shape in [(3, 3), (3,)]]
    layer.set_weights(weights)
    reference.set_weights(weights)
    for arguments in [(x0,), (x0, x)]:
        output = layer(*arguments)
        assert output.dtype == dtype
        rounding = 10 * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(output, reference(*arguments), rtol=rounding, atol=rounding)


def test_a_layer_made_from_a_config_is_the_same_layer() -> None:
    layer = CrossLayer(
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.5, seed=7),
        bias_initializer="ones",
        name="second",
        dtype="float64",
    )
    again = CrossLayer.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.name == "second"
    x0 = np.array([[1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(again(x0), layer(x0), strict=True)


def test_a_saved_model_with_the_layer_loads_and_computes_the_same(tmp_path: Path) -> None:
    x0 = keras.Input((3,))
    model = keras.Model(x0, CrossLayer()(x0, CrossLayer(bias_initializer="ones")(x0)))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    features = array((0.1, 0.2, 0.3), (1, -2, 3))
    np.testing.assert_array_equal(loaded(features), model(features), strict=True)


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4)])
def test_an_input_that_is_no_matrix_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"`x0` must have the shape .*Received: shape="):
        CrossLayer()(np.ones(shape, np.float32))


def test_an_input_of_unknown_width_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`x0` must have the shape"):
        CrossLayer()(keras.Input((None,)))


@pytest.mark.parametrize("shape", [(2, 2), (1, 3), (3,)])
def test_an_x_of_another_shape_than_x0_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"`x` must have the shape of `x0`. Received: "):
        CrossLayer()(np.ones((2, 3), np.float32), np.ones(shape, np.float32))


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
