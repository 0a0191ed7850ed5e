"""Which rows of a table are for training, for validation and for test."""

import difflib
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.columns import numbers_of, words_of
from models.config import TableDataset
from models.parquet import Parquet, batches
from models.schema import Column, TableSchema

TRAIN, VALIDATION, TEST = 0, 1, 2
SIDES = ("train", "validation", "test")
"""Their names, as in the scores."""

NOWHERE = len(SIDES)
"""What is the side of a row without a target."""

_MISSING = np.float64(np.nan).view(np.uint64)  # one of the many that are NaN: always the same


class Unsuitable(ValueError):
    """The table cannot be trained on as it was asked for; the text says why."""


def sides(parquet: Parquet, schema: TableSchema, dataset: TableDataset) -> NDArray[np.uint8]:
    """The side of each row, `(rows,)`: `TRAIN`, `VALIDATION` or `TEST`; or `NOWHERE`.

    At random, it follows from the values of the row's features and the seed and from nothing
    else: neither from other rows nor from the order of rows or columns. By a column, the rows
    with its last values are for test, those with the values before for validation: as few as
    hold the wanted fraction of the rows. Missing ones come first; equal ones are not parted.

    Raises:
        Unsuitable: There is no such column, or a side would be of no use.
    """
    known = ~np.concatenate([np.isnan(targets) for targets in _targets(parquet, schema)])
    if dataset.split_by is None:
        result = _at_random(parquet, schema, dataset)
        result[~known] = NOWHERE
    else:
        result = np.full(len(known), NOWHERE, np.uint8)
        result[known] = _in_order(parquet, schema, dataset, dataset.split_by, known)
    _check_sizes(dataset, result)
    _check_targets(parquet, schema, result)
    return result


def _targets(parquet: Parquet, schema: TableSchema) -> Iterator[NDArray[np.float64]]:
    return (numbers_of(batch[schema.target]) for batch in batches(parquet, [schema.target]))


def _at_random(parquet: Parquet, schema: TableSchema, dataset: TableDataset) -> NDArray[np.uint8]:
    seed = _mixed(np.array([dataset.split_seed], np.uint64))
    result = [np.empty(0, np.uint8)]
    for batch in batches(parquet, [column.name for column in schema.features]):
        hashes = np.zeros(len(batch), np.uint64)
        for column in schema.features:
            # A sum does not mind the order of the columns.
            hashes += _mixed(_bits(batch[column.name], column) ^ np.uint64(_hash(column.name)))
        uniform = (_mixed(hashes ^ seed) >> np.uint64(11)) * 2.0**-53
        side = np.full(len(batch), TRAIN, np.uint8)
        side[uniform < dataset.test_fraction + dataset.validation_fraction] = VALIDATION
        side[uniform < dataset.test_fraction] = TEST
        result.append(side)
    return np.concatenate(result)


def _bits(array: Any, column: Column) -> NDArray[np.uint64]:
    """64 bits for each value; those of different ones differ."""
    if column.kind == "categorical":
        words, of_row = words_of(array)
        return np.array([_hash(word) for word in words], np.uint64)[of_row]
    values = numbers_of(array) + 0.0  # -0.0 becomes 0.0
    return np.where(np.isnan(values), _MISSING, values.view(np.uint64))


@lru_cache(2**16)  # most words of a batch are those of the one before
def _hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest())


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finish of SplitMix64: every bit of the input turns half of the output's."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _in_order(
    parquet: Parquet,
    schema: TableSchema,
    dataset: TableDataset,
    name: str,
    wanted: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """The sides of the rows that are wanted."""
    known = {column.name: column for column in schema.features}
    if name not in (names := [*known, *schema.others]):
        near = difflib.get_close_matches(name, names, 1)
        raise Unsuitable(
            f"`split_by` must not be the target, {name!r}: each side would have other targets"
            if name == schema.target
            else f"`split_by` is no column of the table: {name!r}"
            + (f"; did you mean {near[0]!r}?" if near else "")
        )
    values = pa.chunked_array([batch[name] for batch in batches(parquet, [name])])
    values = values.filter(pa.array(wanted))
    if name in known and known[name].kind == "categorical":
        # A code is a whole number: 9 comes before 10.
        values = values.cast(pa.string())
        values = values.cast(pa.float64()) if known[name].type == "code" else values
    # How many rows come before the first with the same value.
    before = pc.rank(values, tiebreaker="min").to_numpy() - 1
    missing = values.is_null().to_numpy()
    before = np.where(missing, 0, before + np.uint64(values.null_count))
    starts = np.unique(before)

    def start_of(fraction: float, end: int) -> int:
        rows = max(1, round(fraction * len(before)))
        return int(starts[np.searchsorted(starts, max(0, end - rows), "right") - 1])

    test = start_of(dataset.test_fraction, len(before))
    validation = start_of(dataset.validation_fraction, test)
    side = np.full(len(before), TRAIN, np.uint8)
    side[before >= validation] = VALIDATION
    side[before >= test] = TEST
    return side


def _check_sizes(dataset: TableDataset, side: NDArray[np.uint8]) -> None:
    counts = np.bincount(side, minlength=len(SIDES))[: len(SIDES)]
    too_few = [
        f"{count} for {name}"
        for name, count, least in zip(SIDES, counts, (2, 1, 1), strict=True)
        if count < least
    ]
    if too_few:
        way = "by `split_seed`" if dataset.split_by is None else f"in order of {dataset.split_by!r}"
        raise Unsuitable(
            f"the {counts.sum()} rows, split {way}, leave {' and '.join(too_few)}; "
            "more rows or other fractions help"
        )


def _check_targets(parquet: Parquet, schema: TableSchema, side: NDArray[np.uint8]) -> None:
    least, greatest, end = np.inf, -np.inf, 0
    for targets in _targets(parquet, schema):
        start, end = end, end + len(targets)
        learned = targets[side[start:end] == TRAIN]
        least, greatest = learned.min(initial=least), learned.max(initial=greatest)
    if least == greatest:
        raise Unsuitable(
            f"the target {schema.target!r} is the same in all training rows: "
            "there is nothing to learn"
        )
