"""Gradient descent on a table: shuffled batches, and the best weights on the validation rows."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.config import GradientDescent
from models.forward import forward
from models.gradient_descent import Epoch
from models.preprocessing import Encoded
from models.rows import Sides
from models.side_by_side import SideBySide, squared_error
from models.stopping import BestEpochs, Course

BLOCK_BYTES = 2**24
"""So many bytes of rows, or one batch, are handed to the compiled program at a time."""

VALIDATED_AT_ONCE = 1024
"""Rows; more would not be faster, and all starts hold their units' outputs for each."""


def cross_entropy(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Minus the logarithm of the probability of the targets, 0 or 1, by outputs in log-odds."""
    return tf.nn.softplus((1 - 2 * targets) * outputs)


class TableDescent:
    """Trains networks of one shape, `width` at a time, on a table.

    Compiles once, whatever the number of trainings, epochs and blocks.
    """

    def __init__(
        self,
        network: keras.Model,
        width: int,
        table: Sides,
        optimizer: GradientDescent,
        batch_size: int,
        *,
        dropout: float = 0,
        weight_decay: float = 0,
    ) -> None:
        self.train, self.validation = train, validation = table.train, table.validation
        binary = table.preprocessing.task == "binary"
        self.loss = cross_entropy if binary else squared_error
        self.stack = SideBySide(
            network, width, optimizer, self.loss, dropout=dropout, weight_decay=weight_decay
        )
        self.batch_size = min(batch_size, train.rows)
        self.chunk = min(VALIDATED_AT_ONCE, validation.rows)
        bytes_a_row = sum(4 * part.shape[1] for part in network.inputs)
        self.block_rows = _whole(train.rows // self.batch_size, self.batch_size, bytes_a_row)
        self.validation_block_rows = _whole(
            -(-validation.rows // self.chunk), self.chunk, bytes_a_row
        )
        self._train_block = tf.function(self._batches, jit_compile=True, autograph=False)
        self._validate_block = tf.function(self._chunks, jit_compile=True, autograph=False)

    def fit(
        self,
        networks: Sequence[keras.Model],
        epochs: int,
        patience: int | None,
        draw: np.random.Generator,
        go_on: Callable[[Epoch], bool] = lambda epoch: True,
    ) -> list[Course]:
        """Trains `networks`, alike but for their weights, side by side and each on its own.

        Each epoch takes the rows in a new order, the same for all, without those that are left
        over behind the last whole batch. Afterwards each network has the weights of its epoch with
        the smallest validation loss.

        Args:
            patience: Epochs without a smaller validation loss that end a network's training.
            draw: Draws the orders of the rows and, with dropout, what is left out.
            go_on: Called after each epoch; if it returns False, that epoch is the last one.
        """
        self.stack.start_from(networks, draw)
        best = BestEpochs(self.stack.weights(), patience)
        for number in range(epochs):
            self.stack.begin_epoch(number, epochs)
            losses, learning = self._epoch(draw)
            validation_losses = self.validate()
            epoch = Epoch(losses, learning, validation_losses, best.running.copy())
            best.add(losses, validation_losses, self.stack.weights())
            if not (go_on(epoch) and best.running.any()):
                break
        for network, *weights in zip(networks, *best.weights, strict=True):
            network.set_weights(weights)
        return best.courses()

    def _epoch(self, draw: np.random.Generator) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """One pass over the rows: the loss, and whether a gradient came through, of each."""
        total = largest = np.zeros(self.stack.width)
        batches = 0
        for block in self.train.blocks(self.block_rows, draw):
            whole = len(block.targets) // self.batch_size
            if whole:
                rows = _padded(block, self.block_rows)
                losses, gradients = self._train_block(*rows, tf.constant(whole))
                total = total + losses.numpy()
                largest = np.maximum(largest, gradients.numpy())
                batches += whole
        return total / batches, largest > 0

    def validate(self) -> NDArray[np.float64]:
        """The mean loss of each network over the validation rows, `(networks,)`."""
        total = np.zeros(self.stack.width)
        for block in self.validation.blocks(self.validation_block_rows):
            rows = _padded(block, self.validation_block_rows)
            total += self._validate_block(*rows, tf.constant(len(block.targets))).numpy()
        return total / self.validation.rows

    def _batches(
        self, numbers: tf.Tensor, codes: tf.Tensor, targets: tf.Tensor, batches: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Updates by the first batches: the sum of losses, and the largest gradient met."""
        zeros = tf.zeros(self.stack.width, targets.dtype)

        def body(batch: tf.Tensor, total: tf.Tensor, largest: tf.Tensor) -> tuple[Any, ...]:
            rows = _cut((targets, numbers, codes), batch, self.batch_size)
            losses, gradients = self.stack.update(*rows)
            return batch + 1, total + losses, tf.maximum(largest, gradients)

        _, total, largest = tf.while_loop(
            lambda batch, *_: batch < batches, body, (tf.constant(0), zeros, zeros)
        )
        return total, largest

    def _chunks(
        self, numbers: tf.Tensor, codes: tf.Tensor, targets: tf.Tensor, rows: tf.Tensor
    ) -> tf.Tensor:
        """The sum of the losses over the first `rows` rows, chunk after chunk."""
        values, size = self.stack.values, self.chunk
        zeros = tf.zeros(self.stack.width, targets.dtype)

        def body(chunk: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            truth, *features = _cut((targets, numbers, codes), chunk, size)
            losses = self.loss(forward(self.stack.network, values, *features), truth)
            counts = chunk * size + tf.range(size) < rows
            return chunk + 1, total + tf.reduce_sum(tf.where(counts, losses, 0), axis=-1)

        return tf.while_loop(lambda chunk, _: chunk * size < rows, body, (tf.constant(0), zeros))[1]


def _whole(number: int, size: int, bytes_a_row: int) -> int:
    """The rows of a block: of `number` parts of `size` rows as many as it may hold."""
    return max(1, min(number, BLOCK_BYTES // (bytes_a_row * size))) * size


def _padded(block: Encoded, rows: int) -> Encoded:
    """`block` with so many rows; the program is compiled for one number of them."""
    missing = rows - len(block.targets)
    if not missing:
        return block
    return Encoded(*(np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, missing)]) for x in block))


def _cut(parts: Sequence[tf.Tensor], index: tf.Tensor, size: int) -> list[tf.Tensor]:
    """The rows of one batch, `size` of them, the rows last."""
    return [
        tf.slice(part, [*[0] * (len(part.shape) - 1), index * size], [*part.shape[:-1], size])
        for part in parts
    ]
