"""What stands for the features of a table in its networks."""

from collections.abc import Sequence
from math import log, pi
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="crosscheck")
class Embeddings(keras.layers.Layer):  # type: ignore[misc]
    """Puts the numbers of a row and the embeddings of its codes one after the other.

    Args:
        shapes: Of each categorical feature, how many codes it has and the width of an embedding.
        initializer: Initializer of the matrices, one a feature. Defaults to `"uniform"`.

    Call arguments:
        numbers: `(batch_size, numeric_width)`; the width may be 0.
        codes: `(batch_size, categorical features)`, integers; there may be none.

    Returns:
        A tensor `(batch_size, numeric_width + all widths)`.
    """

    def __init__(
        self, shapes: Sequence[tuple[int, int]], initializer: Any = "uniform", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.shapes = [tuple(shape) for shape in shapes]
        self.initializer = keras.initializers.get(initializer)

    def build(self, numbers_shape: Any, codes_shape: Any) -> None:
        if codes_shape[-1] != len(self.shapes):
            raise ValueError(
                f"`codes` must have the shape (batch_size, {len(self.shapes)}). "
                f"Received: shape={codes_shape}"
            )
        self.matrices = [
            self.add_weight(shape=shape, initializer=self.initializer, name=f"matrix_{index}")
            for index, shape in enumerate(self.shapes)
        ]

    def call(self, numbers: Any, codes: Any) -> Any:
        embedded = [
            keras.ops.take(matrix, codes[:, index], axis=0)
            for index, matrix in enumerate(self.matrices)
        ]
        return keras.ops.concatenate([numbers, *embedded], axis=-1)

    def compute_output_shape(self, numbers_shape: Any, codes_shape: Any) -> Any:
        return (numbers_shape[0], numbers_shape[1] + sum(width for _, width in self.shapes))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "shapes": self.shapes,
            "initializer": keras.initializers.serialize(self.initializer),
        }


@keras.saving.register_keras_serializable(package="crosscheck")
class LogUniform(keras.initializers.Initializer):  # type: ignore[misc]
    """Positive numbers whose logarithms are uniform between those of `lowest` and `highest`."""

    def __init__(self, lowest: float, highest: float, seed: Any = None) -> None:
        self.lowest, self.highest, self.seed = lowest, highest, seed

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        uniform = keras.random.uniform(shape, log(self.lowest), log(self.highest), dtype, self.seed)
        return keras.ops.exp(uniform)

    def get_config(self) -> dict[str, Any]:
        return {"lowest": self.lowest, "highest": self.highest}


@keras.saving.register_keras_serializable(package="crosscheck")
class NumericEmbeddings(keras.layers.Layer):  # type: ignore[misc]
    """Puts several numbers in the place of each: a ReLU layer of its own over its waves.

    `output_j = relu(W_j [sin(2π c_j x_j), cos(2π c_j x_j)] + b_j)`, with frequencies `c_j`, the
    first weights, that learn as all others.

    What stands in `W_j` behind a wave is divided by `max(1, c)²` at first. Fast waves make a
    network rough; so it has them only where it learns them.

    Args:
        numbers: How many there are; what stands behind them stays as it is.
        frequencies: How many each of them has.
        width: How many numbers come in the place of one.
        frequency_initializer: Initializer of all `c`. Defaults to `"random_normal"`.
        kernel_initializer: Initializer of all `W`. Defaults to `"random_uniform"`.
        bias_initializer: Initializer of all `b`. Defaults to `"zeros"`.

    Call arguments:
        x: Numbers and what stands behind them, `(batch_size, numbers + others)`.

    Returns:
        A tensor `(batch_size, numbers * width + others)`.

    Reference:
        Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep Learning", 2022.
    """

    def __init__(
        self,
        numbers: int,
        frequencies: int,
        width: int,
        frequency_initializer: Any = "random_normal",
        kernel_initializer: Any = "random_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.numbers = numbers
        self.frequencies = frequencies
        self.width = width
        self.frequency_initializer = keras.initializers.get(frequency_initializer)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, x_shape: Any) -> None:
        if x_shape[-1] < self.numbers:
            raise ValueError(
                f"`x` must hold {self.numbers} numbers or more. Received: shape={x_shape}"
            )
        n, k, width = self.numbers, self.frequencies, self.width
        self.scales = self.add_weight(
            shape=(n, k), initializer=self.frequency_initializer, name="frequencies"
        )
        self.kernel = self.add_weight(
            shape=(n, 2 * k, width), initializer=self.kernel_initializer, name="kernel"
        )
        fast = keras.ops.square(keras.ops.maximum(1.0, self.scales))
        both = keras.ops.concatenate([fast, fast], axis=1)
        self.kernel.assign(self.kernel / keras.ops.expand_dims(both, -1))
        self.bias = self.add_weight(
            shape=(n, width), initializer=self.bias_initializer, name="bias"
        )

    def call(self, x: Any) -> Any:
        ops = keras.ops
        numbers, others = x[:, : self.numbers], x[:, self.numbers :]
        angles = 2 * pi * self.scales * ops.expand_dims(numbers, -1)
        waves = ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
        embedded = ops.relu(ops.einsum("rni,niw->rnw", waves, self.kernel) + self.bias)
        flat = ops.reshape(embedded, (-1, self.numbers * self.width))
        return ops.concatenate([flat, others], axis=-1)

    def compute_output_shape(self, x_shape: Any) -> Any:
        return (x_shape[0], x_shape[1] + self.numbers * (self.width - 1))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "numbers": self.numbers,
            "frequencies": self.frequencies,
            "width": self.width,
            "frequency_initializer": keras.initializers.serialize(self.frequency_initializer),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }
