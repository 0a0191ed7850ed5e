"""A table's rows in memory, by column, as its Parquet has them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.parquet import Parquet
from models.schema import Column, TableSchema

Columns = dict[str, NDArray[Any]]
"""Rows by the names of the features, in the schema's order. Numbers are float64, and NaN where
they are missing; words are objects of type str, and empty where they are missing."""


def read(
    parquet: Parquet,
    schema: TableSchema,
    chosen: NDArray[np.bool_] | None = None,
    groups: Iterable[int] | None = None,
) -> Iterator[tuple[Columns, NDArray[np.float64]]]:
    """Reads rows, a few at a time, and their targets `(rows,)`.

    Args:
        chosen: Of each row of the table, whether it is wanted. Default: all are.
        groups: Which ones are read, in this order. Default: all, in theirs.
    """
    names = [*(column.name for column in schema.features), schema.target]
    for group in range(len(parquet.groups)) if groups is None else groups:
        end = parquet.start(group)
        for batch in parquet.batches(names, group):
            start, end = end, end + len(batch)
            wanted = batch if chosen is None else batch.filter(pa.array(chosen[start:end]))
            if len(wanted):
                yield _columns(wanted, schema.features), numbers_of(wanted[schema.target])


def joined(blocks: Sequence[Columns]) -> Columns:
    """The rows of all blocks, of which there is one at least."""
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def numbers_of(array: Any) -> NDArray[np.float64]:
    """The values of an Arrow array of numbers; NaN where one is missing."""
    values: NDArray[np.float64] = array.to_numpy(zero_copy_only=False)
    return values


def words_of(array: Any) -> tuple[NDArray[np.object_], NDArray[np.int32]]:
    """The different words of an Arrow array, "" for what is missing; and which one each row has."""
    encoded = pc.fill_null(array.cast(pa.string()), "").dictionary_encode()
    return encoded.dictionary.to_numpy(zero_copy_only=False), encoded.indices.to_numpy()


def _columns(batch: Any, features: Iterable[Column]) -> Columns:
    columns: Columns = {}
    for column in features:
        if column.kind == "numeric":
            columns[column.name] = numbers_of(batch[column.name])
        else:
            words, of_row = words_of(batch[column.name])
            columns[column.name] = words[of_row]
    return columns
