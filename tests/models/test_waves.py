import numpy as np
import pytest
import tensorflow as tf

from models.waves import waves

TURNS = np.concatenate([np.linspace(-300, 300, 4801), np.linspace(-0.01, 0.01, 101), [0.5, -0.5]])


@pytest.mark.parametrize(("dtype", "error"), [("float32", 6e-7), ("float64", 1e-14)])
def test_they_are_sines_and_cosines_of_whole_turns(dtype: str, error: float) -> None:
    turns = TURNS.astype(dtype).reshape(2, 1, -1)
    sine, cosine = np.split(waves(tf.constant(turns)).numpy(), 2, axis=-2)
    assert sine.dtype == dtype
    # Whole turns are taken off first: else the angle would lose what the turn has exactly.
    angles = 2 * np.pi * (turns.astype(np.float64) - np.round(turns.astype(np.float64)))
    np.testing.assert_allclose(sine, np.sin(angles), rtol=0, atol=error)
    np.testing.assert_allclose(cosine, np.cos(angles), rtol=0, atol=error)


@pytest.mark.parametrize(("dtype", "error"), [("float32", 1e-5), ("float64", 1e-12)])
def test_their_derivatives_are_those_of_sines_and_cosines(dtype: str, error: float) -> None:
    draw = np.random.default_rng(1)
    turns = tf.constant(draw.normal(0, 3, (2, 5, 7)), dtype)
    weights = tf.constant(draw.normal(size=(2, 10, 7)), dtype)
    derivatives = []
    for of in (waves, lambda x: tf.concat([tf.sin(2 * np.pi * x), tf.cos(2 * np.pi * x)], -2)):
        with tf.GradientTape() as tape:
            tape.watch(turns)
            total = tf.reduce_sum(weights * of(turns))
        derivatives.append(tape.gradient(total, turns).numpy())
    ours, expected = derivatives
    np.testing.assert_allclose(ours, expected, rtol=error, atol=10 * error)


def test_zero_is_no_turn() -> None:
    assert waves(tf.zeros((1, 1))).numpy().tolist() == [[0.0], [1.0]]
