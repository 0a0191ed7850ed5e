from pathlib import Path
from typing import Any

import keras
import keras_rs
import numpy as np
import pytest

from models.layers import CrossLayer


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
@pytest.mark.parametrize("rank", [None, 1, 2])
def test_a_layer_computes_what_the_reference_computes(rank: int | None, dtype: str) -> None:
    draw = np.random.default_rng(1)
    x0, x = draw.normal(size=(2, 50, 3)).astype(dtype)
    layer = CrossLayer(rank=rank, dtype=dtype)
    reference = keras_rs.layers.FeatureCross(projection_dim=rank, dtype=dtype)
    layer(x0), reference(x0)
    # Kernels that are not symmetric and a bias that is not zero.
    weights = [draw.normal(size=weight.shape) for weight in layer.get_weights()]
    layer.set_weights(weights)
    reference.set_weights(weights)
    for arguments in [(x0,), (x0, x)]:
        output = layer(*arguments)
        assert output.dtype == dtype
        rounding = 10 * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(output, reference(*arguments), rtol=rounding, atol=rounding)


@pytest.mark.parametrize("experts", [2, 3])
def test_experts_are_mixed_as_in_equation_4(experts: int) -> None:
    draw = np.random.default_rng(1)
    x0, x = draw.normal(size=(2, 50, 3))
    layer = CrossLayer(rank=2, experts=experts, dtype="float64")
    layer(x0, x)
    shapes = [(experts, 2, 2), (3, experts * 2), (3, experts), (experts * 2, 3), (3,)]
    assert [weight.shape for weight in layer.get_weights()] == shapes
    weights = [draw.normal(size=shape) for shape in shapes]
    layer.set_weights(weights)
    c, v, g, u, b = weights

    powers = np.exp(x @ g)
    gates = powers / powers.sum(axis=1, keepdims=True)
    expected = x.copy()
    for index in range(experts):
        own = slice(2 * index, 2 * index + 2)
        low = np.tanh(np.tanh(x @ v[:, own]) @ c[index])
        expected += gates[:, [index]] * (x0 * (low @ u[own] + b))
    np.testing.assert_allclose(layer(x0, x), expected, rtol=1e-13)


@pytest.mark.parametrize(("rank", "experts"), [(3, 1), (3, 2)])
def test_the_kernels_of_a_layer_start_with_different_weights(rank: int, experts: int) -> None:
    draw = keras.random.SeedGenerator(1)
    for initializer in ("glorot_uniform", keras.initializers.GlorotUniform(draw)):
        layer = CrossLayer(initializer, rank=rank, experts=experts)
        layer.build((None, 3))
        kernels = np.concatenate([weight.ravel() for weight in layer.get_weights()[:-1]])
        assert len(np.unique(kernels)) == len(kernels)


def test_a_layer_made_from_a_config_is_the_same_layer() -> None:
    layer = CrossLayer(
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.5, seed=7),
        bias_initializer="ones",
        rank=2,
        experts=2,
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
    x = CrossLayer(rank=2, experts=2)(x0, CrossLayer(bias_initializer="ones")(x0))
    model = keras.Model(x0, CrossLayer(rank=1)(x0, x))
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


@pytest.mark.parametrize(("rank", "experts"), [(0, 1), (-1, 1), (2, 0), (None, 2)])
def test_ranks_and_experts_that_make_no_layer_are_refused(rank: int | None, experts: int) -> None:
    with pytest.raises(ValueError, match=r"must be 1 or more.* Received: .*rank="):
        CrossLayer(rank=rank, experts=experts)
