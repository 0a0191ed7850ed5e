import gc
import hashlib
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from models import parquet as parquet_files
from models.columns import joined, read
from models.config import TableDataset
from models.parquet import OneFile
from models.preprocessing import Encoded, encode
from models.schema import Column, TableSchema
from models.splits import SIDES, Unsuitable, sides
from models.table import Rows, Table, prepare
from tests.models.tables import Apart, make_table

IN_MEMORY = 2**30
ON_DISK = 4000
"""Bytes for encoded rows: a table of 1,000 rows has buckets of some 30."""


def dataset(**fields: Any) -> TableDataset:
    return TableDataset(kind="table", name="houses", **fields)


@pytest.fixture(params=[IN_MEMORY, ON_DISK], ids=["memory", "disk"])
def memory_bytes(request: pytest.FixtureRequest) -> int:
    size: int = request.param
    return size


@pytest.fixture
def table(tmp_path: Path, memory_bytes: int, monkeypatch: pytest.MonkeyPatch) -> Table:
    monkeypatch.setattr(parquet_files, "BATCH_CELLS", 5 * 130)
    return prepare(*make_table(tmp_path), dataset(), tmp_path / "encoded", memory_bytes)


def of_side(table: Table) -> Iterator[tuple[int, Rows]]:
    return enumerate([table.train, table.validation, table.test])


def together(blocks: Iterator[Encoded]) -> NDArray[Any]:
    """All rows as one matrix, a row each."""
    return np.concatenate([np.concatenate([b.numbers, b.codes, [b.targets]]).T for b in blocks])


def in_some_order(matrix: NDArray[Any]) -> NDArray[Any]:
    return matrix[np.lexsort(matrix.T)]


def sorted_by_target(folder: Path, rows: int) -> tuple[OneFile, TableSchema]:
    parquet, schema = make_table(folder, rows)
    pq.write_table(pq.read_table(parquet.path).sort_by("price"), parquet.path)
    return parquet, schema


def test_each_row_of_a_side_comes_once_encoded(table: Table, tmp_path: Path) -> None:
    parquet = OneFile(tmp_path / "data.parquet")
    side = sides(parquet, table.schema, dataset())
    for which, rows in of_side(table):
        blocks = list(read(parquet, table.schema, side == which))
        targets = np.concatenate([some for _, some in blocks])
        whole = encode(joined([some for some, _ in blocks]), targets, table.preprocessing)
        assert rows.rows == np.count_nonzero(side == which) == len(targets)
        expected = in_some_order(together(iter([whole])))
        for shuffled in (None, np.random.default_rng(0)):
            met = together(rows.blocks(64, shuffled))
            np.testing.assert_array_equal(in_some_order(met), expected)


@pytest.mark.parametrize("size", [1, 7, 64, 5000])
def test_blocks_have_the_size_asked_for_and_only_the_last_one_is_shorter(
    table: Table, size: int
) -> None:
    for shuffled in (None, np.random.default_rng(0)):
        lengths = [len(block.targets) for block in table.train.blocks(size, shuffled)]
        assert sum(lengths) == table.train.rows
        assert set(lengths[:-1]) <= {size}
        assert 0 < lengths[-1] <= size


def test_blocks_are_in_one_piece_and_of_the_dtype(tmp_path: Path, memory_bytes: int) -> None:
    table = prepare(*make_table(tmp_path), dataset(), tmp_path, memory_bytes, "float64")
    assert table.preprocessing.numeric_width == 4
    for shuffled in (None, np.random.default_rng(0)):
        numbers, codes, targets = next(table.train.blocks(50, shuffled))
        assert (numbers.shape, codes.shape, targets.shape) == ((4, 50), (1, 50), (50,))
        assert [numbers.dtype, codes.dtype, targets.dtype] == ["float64", "int32", "float64"]
        assert all(array.flags.c_contiguous for array in (numbers, codes, targets))


def test_preprocessing_is_fitted_on_training_rows_alone(table: Table) -> None:
    area = np.concatenate([some["area"] for some, _ in table.train.columns()])
    number = table.preprocessing.numbers[1]
    assert number.mean == pytest.approx(np.nanmean(area), rel=1e-12)
    targets = np.concatenate(list(table.train.targets()))
    assert table.preprocessing.target_mean == pytest.approx(targets.mean(), rel=1e-12)


def test_each_pass_has_an_order_of_its_own_and_a_seed_brings_it_back(table: Table) -> None:
    generator = np.random.default_rng(0)
    first, second = (together(table.train.blocks(64, generator)) for _ in range(2))
    again = together(table.train.blocks(64, np.random.default_rng(0)))
    np.testing.assert_array_equal(again, first)
    assert np.mean((first == second).all(axis=1)) < 0.05
    unshuffled, unshuffled_again = (together(table.train.blocks(64)) for _ in range(2))
    np.testing.assert_array_equal(unshuffled, unshuffled_again)


def test_shuffled_blocks_of_a_sorted_file_are_like_random_samples(
    tmp_path: Path, memory_bytes: int
) -> None:
    parquet, schema = sorted_by_target(tmp_path, 4000)
    table = prepare(parquet, schema, dataset(), tmp_path, memory_bytes)
    generator = np.random.default_rng(0)
    for _ in range(2):
        blocks = list(table.train.blocks(100, generator))[:-1]
        means = np.array([block.targets.mean() for block in blocks])
        # Targets have a spread of 1, so the means of 100 random ones have one of 1 / 10.
        assert means.std() == pytest.approx(0.1, rel=0.6)
        # Neighbours are as different as rows that are far apart: nothing of the order is left.
        targets = np.concatenate([block.targets for block in blocks])
        assert abs(np.corrcoef(targets[1:], targets[:-1])[0, 1]) < 0.1


def test_raw_rows_are_those_of_the_file_in_its_order(table: Table, tmp_path: Path) -> None:
    parquet = OneFile(tmp_path / "data.parquet")
    side = sides(parquet, table.schema, dataset())
    stored = pq.read_table(parquet.path)
    for which, rows in of_side(table):
        blocks = list(rows.columns())
        assert len(blocks) > 1
        expected = stored.filter(pa.array(side == which))
        raw = joined([some for some, _ in blocks])
        assert raw["rooms"].tolist() == expected["rooms"].to_pylist()
        assert raw["city"].tolist() == [city or "" for city in expected["city"].to_pylist()]
        targets = np.concatenate([targets for _, targets in blocks])
        assert targets.tolist() == expected["price"].to_pylist()
        np.testing.assert_array_equal(np.concatenate(list(rows.targets())), targets)


def test_a_look_at_all_sides_has_the_blocks_of_each(table: Table) -> None:
    found: list[list[Any]] = [[], [], []]
    for side, columns, targets in table.blocks():
        found[side].append((columns["city"].tolist(), targets.tolist()))
    for which, rows in of_side(table):
        expected = [(columns["city"].tolist(), some.tolist()) for columns, some in rows.columns()]
        assert found[which] == expected


def test_the_first_rows_are_spread_over_the_side(tmp_path: Path) -> None:
    parquet, schema = sorted_by_target(tmp_path, 1000)
    table = prepare(parquet, schema, dataset(), tmp_path, IN_MEMORY)
    whole = np.concatenate(list(table.validation.targets()))
    few, targets = table.validation.first(10)
    assert list(few) == [column.name for column in schema.features]
    assert {len(values) for values in few.values()} == {10}
    np.testing.assert_array_equal(targets, whole[np.arange(10) * len(whole) // 10])
    _, everything = table.validation.first(10_000)
    np.testing.assert_array_equal(everything, whole)


def test_the_fingerprint_is_of_the_file_and_of_the_sides(tmp_path: Path) -> None:
    parquet, schema = make_table(tmp_path)
    side = sides(parquet, schema, dataset())
    expected = hashlib.sha256(parquet.path.read_bytes() + side.tobytes()).hexdigest()
    prints = [
        prepare(parquet, schema, dataset(split_seed=seed), tmp_path, memory_bytes).fingerprint
        for seed, memory_bytes in ((42, IN_MEMORY), (42, ON_DISK), (43, IN_MEMORY))
    ]
    assert prints[0] == prints[1] == expected != prints[2]


def test_what_fits_in_memory_is_not_on_the_disk(tmp_path: Path) -> None:
    folder = tmp_path / "encoded"
    prepare(*make_table(tmp_path), dataset(), folder, IN_MEMORY)
    assert not folder.exists()


def test_a_pass_that_is_left_early_can_be_made_again(table: Table) -> None:
    for _ in range(3):
        next(table.train.blocks(10, np.random.default_rng(0)))
    assert len(together(table.train.blocks(10))) == table.train.rows


def test_a_table_that_cannot_be_split_is_refused(tmp_path: Path) -> None:
    parquet, schema = make_table(tmp_path)
    with pytest.raises(Unsuitable, match="split_by"):
        prepare(parquet, schema, dataset(split_by="nothing"), tmp_path, IN_MEMORY)


def test_a_table_of_five_times_the_memory_stays_within_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_files, "BATCH_CELLS", 2**14)
    rows, features = 50_000, 24
    draw = np.random.default_rng(0)
    names = [f"x{index}" for index in range(features)]
    stored = {name: draw.random(rows) for name in [*names, "y"]}
    parquet = OneFile(tmp_path / "data.parquet")
    pq.write_table(pa.table(stored), parquet.path, row_group_size=8192)
    del stored
    schema = TableSchema(
        features=tuple(Column(name=name, type="number") for name in names),
        target="y",
        task="regression",
    )
    memory_bytes = rows * 4 * (features + 1) // 5
    other = tmp_path / "other"
    other.mkdir()
    prepare(*make_table(other), dataset(), other, IN_MEMORY)  # imports what is imported late
    gc.collect()
    tracemalloc.start()
    try:
        table = prepare(parquet, schema, dataset(), tmp_path / "encoded", memory_bytes)
        met = sum(len(block.targets) for block in table.train.blocks(256, draw))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert met == table.train.rows
    assert len(SIDES) < len(list((tmp_path / "encoded").iterdir()))
    # Some bytes for each row, and a batch of raw ones, come on top.
    assert peak < 1.2 * memory_bytes


@pytest.fixture
def streamed(tmp_path: Path) -> Table:
    file, schema = make_table(tmp_path, row_group_rows=90)
    return prepare(Apart(file.path), schema, dataset(), tmp_path / "encoded", ON_DISK)


def test_what_is_elsewhere_is_not_copied(streamed: Table, tmp_path: Path) -> None:
    list(streamed.train.blocks(64, np.random.default_rng(0)))
    assert not (tmp_path / "encoded").exists()


def test_what_is_elsewhere_is_the_same_table(streamed: Table, tmp_path: Path) -> None:
    file = OneFile(tmp_path / "data.parquet")
    here = prepare(file, streamed.schema, dataset(), tmp_path / "encoded", IN_MEMORY)
    assert streamed.preprocessing.words == here.preprocessing.words
    for rows, same in zip(streamed[2:5], here[2:5], strict=True):
        expected = np.sort(together(same.blocks(64)), axis=0)
        for shuffled in (None, np.random.default_rng(0)):
            met = np.sort(together(rows.blocks(64, shuffled)), axis=0)
            np.testing.assert_allclose(met, expected, rtol=1e-5, atol=1e-6)


def test_what_is_elsewhere_and_fits_in_memory_is_trained_on_as_if_it_were_here(
    tmp_path: Path,
) -> None:
    file, schema = make_table(tmp_path)
    here, elsewhere = (
        prepare(parquet, schema, dataset(), tmp_path / "encoded", IN_MEMORY)
        for parquet in (file, Apart(file.path))
    )
    for shuffled in (0, 1):
        one, other = (
            together(of.train.blocks(64, np.random.default_rng(shuffled)))
            for of in (here, elsewhere)
        )
        np.testing.assert_array_equal(one, other)


def test_row_groups_can_be_read_by_themselves(streamed: Table) -> None:
    apart = streamed.train.apart()
    assert len(apart) == 12
    in_order = np.concatenate([together(blocks(7)) for blocks in apart])
    np.testing.assert_array_equal(in_order, together(streamed.train.blocks(64)))


def test_rows_without_a_target_are_on_no_side(tmp_path: Path, memory_bytes: int) -> None:
    file, schema = make_table(tmp_path)
    table = pq.read_table(file.path)
    price = pa.array(table["price"].to_numpy(), mask=np.arange(1000) % 4 == 0)
    place = table.column_names.index("price")
    pq.write_table(table.set_column(place, "price", price), file.path)
    made = prepare(file, schema, dataset(), tmp_path / "encoded", memory_bytes)
    assert made.train.rows + made.validation.rows + made.test.rows == 750
    for _, rows in of_side(made):
        met = together(rows.blocks(64))
        assert len(met) == rows.rows
        assert not np.isnan(met).any()
