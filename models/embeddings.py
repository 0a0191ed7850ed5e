"""What stands for the features of a table in its networks."""

from collections.abc import Sequence
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
