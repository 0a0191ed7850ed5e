"""The cross layer of the Deep & Cross Network, version 2, and the embeddings of a table's words."""

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="crosscheck")
class CrossLayer(keras.layers.Layer):  # type: ignore[misc]
    """Multiplies the network's input with an affine map of the layer's, and adds the layer's.

    `output = x0 ⊙ (W x + b) + x`

    Each layer raises the degree of the polynomial it can represent by one: one layer holds
    every product of two features.

    Args:
        kernel_initializer: Initializer of `W`. Defaults to `"glorot_uniform"`.
        bias_initializer: Initializer of `b`. Defaults to `"zeros"`.

    Call arguments:
        x0: The input of the network, `(batch_size, features)`.
        x: The output of the layer before, of the same shape. Defaults to `x0`.

    Returns:
        A tensor of the shape of `x0`.

    Example:
        >>> x0 = keras.Input((3,))
        >>> x = CrossLayer()(x0)
        >>> x = CrossLayer()(x0, x)

    Reference:
        Wang et al., "DCN V2: Improved Deep & Cross Network", 2021, equation 1.
    """

    def __init__(
        self,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, x0_shape: tuple[int | None, ...], x_shape: Any = None) -> None:
        if len(x0_shape) != 2 or x0_shape[-1] is None:
            raise ValueError(
                f"`x0` must have the shape (batch_size, features). Received: shape={x0_shape}"
            )
        if x_shape is not None and tuple(x_shape) != tuple(x0_shape):
            raise ValueError(f"`x` must have the shape of `x0`. Received: {x_shape} and {x0_shape}")
        self.affine = keras.layers.Dense(
            x0_shape[-1],
            kernel_initializer=self.kernel_initializer,
            bias_initializer=self.bias_initializer,
            dtype=self.dtype_policy,
        )
        self.affine.build(x0_shape)

    def call(self, x0: Any, x: Any = None) -> Any:
        x = x0 if x is None else x
        if x.shape != x0.shape:
            raise ValueError(
                f"`x` must have the shape of `x0`, {x0.shape}. Received: x.shape={x.shape}"
            )
        return x0 * self.affine(x) + x

    def compute_output_shape(self, x0_shape: Any, x_shape: Any = None) -> Any:
        return x0_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }


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
