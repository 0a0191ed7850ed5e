"""The cross layer of the Deep & Cross Network, version 2."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="crosscheck")
class CrossLayer(keras.layers.Layer):  # type: ignore[misc]
    """Multiplies the network's input with an affine map of the layer's, and adds the layer's.

    `output = x0 ⊙ (W x + b) + x`

    Each layer raises the degree of the polynomial it can represent by one: one layer holds
    every product of two features. With a rank, `W` is a product of two narrow matrices:

    `output = x0 ⊙ (U Vᵀ x + b) + x`

    Experts are several such products, each with a map of its own between the two, and mixed by
    what a gate says of `x`:

    `output = x0 ⊙ (Σᵢ gᵢ Uᵢ tanh(Cᵢ tanh(Vᵢᵀ x)) + b) + x`, `g = softmax(G x)`

    The weights are, in this order, `C`, `V` and `G`, as far as there are any, `W` or `U`, and `b`.

    Args:
        kernel_initializer: Initializer of all but `b`; one that is told by its name or config
            is another one for each. Defaults to `"glorot_uniform"`.
        bias_initializer: Initializer of `b`. Defaults to `"zeros"`.
        rank: Columns of `U` and `V`. Defaults to `None`: a whole `W`.
        experts: How many products are mixed; more than one need a rank. Defaults to 1: none.

    Call arguments:
        x0: The input of the network, `(batch_size, features)`.
        x: The output of the layer before, of the same shape. Defaults to `x0`.

    Returns:
        A tensor of the shape of `x0`.

    Example:
        >>> x0 = keras.Input((3,))
        >>> x = CrossLayer()(x0)
        >>> x = CrossLayer(rank=2)(x0, x)

    Reference:
        Wang et al., "DCN V2: Improved Deep & Cross Network", 2021, equations 1, 2 and 4.
    """

    def __init__(
        self,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        *,
        rank: int | None = None,
        experts: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if rank is not None and rank < 1:
            raise ValueError(f"`rank` must be 1 or more. Received: rank={rank}")
        if experts < 1 or (experts > 1 and rank is None):
            raise ValueError(
                "`experts` must be 1 or more, and more than 1 need a `rank`. "
                f"Received: experts={experts}, rank={rank}"
            )
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.rank = rank
        self.experts = experts

    def build(self, x0_shape: tuple[int | None, ...], x_shape: Any = None) -> None:
        if len(x0_shape) != 2 or x0_shape[-1] is None:
            raise ValueError(
                f"`x0` must have the shape (batch_size, features). Received: shape={x0_shape}"
            )
        if x_shape is not None and tuple(x_shape) != tuple(x0_shape):
            raise ValueError(f"`x` must have the shape of `x0`. Received: {x_shape} and {x0_shape}")
        features = inner = x0_shape[-1]
        if self.rank is not None:
            inner = self.experts * self.rank
            self.down = self._map(features, inner, use_bias=False)
        if self.experts > 1:
            self.mixing = self.add_weight(
                shape=(self.experts, self.rank, self.rank),
                initializer=self.kernel_initializer,
                name="mixing",
            )
            self.gate = self._map(features, self.experts, activation="softmax", use_bias=False)
        self.affine = self._map(inner, features, bias_initializer=self.bias_initializer)

    def _map(self, inputs: int, units: int, **how: Any) -> keras.layers.Dense:
        made = keras.layers.Dense(
            units, kernel_initializer=self.kernel_initializer, dtype=self.dtype_policy, **how
        )
        made.build((None, inputs))
        return made

    def call(self, x0: Any, x: Any = None) -> Any:
        x = x0 if x is None else x
        if x.shape != x0.shape:
            raise ValueError(
                f"`x` must have the shape of `x0`, {x0.shape}. Received: x.shape={x.shape}"
            )
        return x0 * self.affine(self._inner(x)) + x

    def _inner(self, x: Any) -> Any:
        """What `W` or `U` is multiplied with."""
        if self.rank is None:
            return x
        low = self.down(x)
        if self.experts == 1:
            return low
        ops = keras.ops
        low = ops.tanh(ops.reshape(low, (-1, self.experts, self.rank)))
        low = ops.tanh(ops.einsum("rei,eij->rej", low, self.mixing))
        mixed = low * ops.expand_dims(self.gate(x), -1)
        return ops.reshape(mixed, (-1, self.experts * self.rank))

    def compute_output_shape(self, x0_shape: Any, x_shape: Any = None) -> Any:
        return x0_shape

    def get_config(self) -> dict[str, Any]:
        initializers = keras.initializers
        return {
            **super().get_config(),
            "kernel_initializer": initializers.serialize(initializers.get(self.kernel_initializer)),
            "bias_initializer": initializers.serialize(initializers.get(self.bias_initializer)),
            "rank": self.rank,
            "experts": self.experts,
        }
