"""A block of rows as the columns of a linear model, most of them dense and those of words not."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, diags_array

from models.data import Array


class Matrix(NamedTuple):
    """The columns of some rows."""

    dense: Array
    """`(columns, rows)`."""
    words: csr_array
    """`(rows, columns)`, the columns after the dense ones."""

    def times(self, weights: Array) -> Array:
        """`weights` are `(columns, …)`, the result is `(rows, …)`."""
        split = len(self.dense)
        result: Array = self.dense.T @ weights[:split] + self.words @ weights[split:]
        return result

    def transposed_times(self, of_rows: Array) -> Array:
        """From `(rows,)` to `(columns,)`."""
        return np.concatenate([self.dense @ of_rows, self.words.T @ of_rows])

    def gram(self) -> Array:
        """The products of all pairs of columns, summed over the rows."""
        among_dense: Array = self.dense @ self.dense.T
        if not self.words.shape[1]:
            return among_dense
        split = len(self.dense)
        width = split + self.words.shape[1]
        result = np.empty((width, width))
        result[:split, :split] = among_dense
        result[split:, :split] = self.words.T @ self.dense.T
        result[:split, split:] = result[split:, :split].T
        result[split:, split:] = (self.words.T @ self.words).toarray()
        return result

    def scaled(self, by: Array) -> "Matrix":
        """Each row times a number; `by` is `(rows,)`."""
        return Matrix(self.dense * by, diags_array(by) @ self.words)

    def toarray(self) -> Array:
        """All columns, `(rows, columns)`."""
        return np.concatenate([self.dense.T, self.words.toarray()], axis=1)
