from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from models.config import TableDataset
from models.parquet import OneFile
from models.schema import Column, TableSchema
from models.splits import TEST, TRAIN, VALIDATION, Unsuitable, sides
from tests.models.tables import make_table


def dataset(**fields: Any) -> TableDataset:
    return TableDataset(kind="table", name="houses", **fields)


def split(folder: Path, table: pa.Table, schema: TableSchema, **fields: Any) -> NDArray[np.uint8]:
    pq.write_table(table, folder / "data.parquet", row_group_size=400)
    return sides(OneFile(folder / "data.parquet"), schema, dataset(**fields))


def by_column(folder: Path, values: pa.Array, kind: str | None = None, **fields: Any) -> str:
    """The sides, as digits, of rows that are split by a column of these values."""
    rows = len(values)
    if kind == "code":
        values = values.cast(pa.string())
    table = pa.table({"x": np.arange(rows) * 1.0, "when": values, "y": np.arange(rows) * 1.0})
    features = [Column(name="x", type="number")]
    if kind == "code":
        features.append(Column(name="when", type="code"))
    others = () if kind else ("when",)
    schema = TableSchema(features=tuple(features), target="y", task="regression", others=others)
    return "".join(map(str, split(folder, table, schema, split_by="when", **fields)))


# At random.


def test_the_sides_of_these_rows_never_change(tmp_path: Path) -> None:
    # A champion must never meet its training rows among those that its challenger is judged on.
    table = pa.table(
        {
            "number": [*np.linspace(-2, 2, 20), None, 1e300, -0.0, 5e-324],
            "word": [*"abcdefghijklmnopqrst", "Zürich", None, "7", "São Paulo"],
            "y": [float(row) for row in range(24)],
        }
    )
    schema = TableSchema(
        features=(Column(name="number", type="number"), Column(name="word", type="text")),
        target="y",
        task="regression",
    )
    fractions = {"validation_fraction": 0.3, "test_fraction": 0.3}
    frozen = {
        0: "222101000200011021101020",
        42: "002020000122201202020021",
        2**32 - 1: "120201010120002202102012",
    }
    for seed, expected in frozen.items():
        side = split(tmp_path, table, schema, split_seed=seed, **fractions)
        assert "".join(map(str, side)) == expected


def test_a_row_keeps_its_side_in_a_later_revision(tmp_path: Path) -> None:
    parquet, schema = make_table(tmp_path, rows=2000)
    table = pq.read_table(parquet.path)
    before = sides(parquet, schema, dataset())
    order = np.random.default_rng(1).permutation(2000)
    more = pq.read_table(make_table(tmp_path, rows=500, seed=9)[0].path)
    after = split(tmp_path, pa.concat_tables([more, table.take(order)]), schema)
    np.testing.assert_array_equal(after[500:], before[order])


@pytest.mark.parametrize("changed", ["order of the columns", "target", "dictionary", "-0.0"])
def test_a_side_follows_from_the_features_alone(tmp_path: Path, changed: str) -> None:
    parquet, schema = make_table(tmp_path)
    table = pq.read_table(parquet.path)
    before = sides(parquet, schema, dataset())
    if changed == "order of the columns":
        schema = schema.model_copy(update={"features": schema.features[::-1]})
        table = table.select(table.column_names[::-1])
    elif changed == "target":
        prices = np.random.default_rng(5).random(len(table))
        table = table.set_column(table.column_names.index("price"), "price", [prices])
    elif changed == "dictionary":
        table = table.set_column(3, "city", table["city"].dictionary_encode())
    else:
        garden = table["garden"].to_numpy()
        table = table.set_column(2, "garden", [np.where(garden == 0, -0.0, garden)])
    np.testing.assert_array_equal(split(tmp_path, table, schema), before)


def test_equal_rows_share_a_side_and_missing_values_are_equal(tmp_path: Path) -> None:
    parquet, schema = make_table(tmp_path, rows=500)
    table = pq.read_table(parquet.path)
    assert table["city"].null_count
    assert table["area"].null_count
    side = split(tmp_path, pa.concat_tables([table, table]), schema)
    np.testing.assert_array_equal(side[:500], side[500:])


def test_a_value_in_another_column_is_another_row(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    a, b = draw.random((2, 5000))
    schema = TableSchema(
        features=tuple(Column(name=name, type="number") for name in "ab"),
        target="y",
        task="regression",
    )
    one = split(tmp_path, pa.table({"a": a, "b": b, "y": a}), schema)
    other = split(tmp_path, pa.table({"a": b, "b": a, "y": a}), schema)
    assert 0.2 < np.mean(one != other) < 0.5


def test_sides_have_the_wanted_shares_and_another_seed_draws_anew(tmp_path: Path) -> None:
    parquet, schema = make_table(tmp_path, rows=20_000)
    fractions = {"validation_fraction": 0.2, "test_fraction": 0.3}
    one = sides(parquet, schema, dataset(**fractions))
    other = sides(parquet, schema, dataset(**fractions, split_seed=43))
    for side in (one, other):
        shares = np.bincount(side) / len(side)
        np.testing.assert_allclose(shares, [0.5, 0.2, 0.3], atol=0.03)
    # Independent draws agree on 0.5² + 0.2² + 0.3² of the rows.
    assert np.mean(one == other) == pytest.approx(0.38, abs=0.03)


# By a column.


def test_the_last_rows_of_a_column_are_for_test_and_those_before_for_validation(
    tmp_path: Path,
) -> None:
    parquet, schema = make_table(tmp_path, rows=1000)
    order = np.random.default_rng(0).permutation(1000)
    side = split(
        tmp_path,
        pq.read_table(parquet.path).take(order),
        schema,
        split_by="sold",
        validation_fraction=0.2,
    )
    expected = np.repeat([TRAIN, VALIDATION, TEST], [700, 200, 100])
    np.testing.assert_array_equal(side, expected[order])


def test_missing_values_are_the_oldest(tmp_path: Path) -> None:
    values = pa.array([10, None, 3, None, 5, 4, 6, 7, 8, 9], pa.float64())
    assert by_column(tmp_path, values) == "2000000001"


def test_equal_values_share_a_side_which_gets_the_wanted_rows_at_least(tmp_path: Path) -> None:
    values = pa.array([2018.0, 2018, 2019, 2019, 2020, 2020, 2021, 2021, 2022, 2022])
    assert by_column(tmp_path, values) == "0000001122"


def test_words_are_ordered_as_text_and_codes_as_numbers(tmp_path: Path) -> None:
    values = pa.array(["9", "10", "8", "7", "6", "5", "4", "3", "2", "1"])
    assert by_column(tmp_path, values) == "2010000000"
    assert by_column(tmp_path, values, "code") == "1200000000"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sould", "no column of the table: 'sould'; did you mean 'sold'?"),
        ("zzz", "no column of the table: 'zzz'"),
        ("price", "must not be the target, 'price'"),
    ],
)
def test_a_column_that_cannot_order_the_rows_is_named(tmp_path: Path, name: str, said: str) -> None:
    parquet, schema = make_table(tmp_path)
    with pytest.raises(Unsuitable, match=said.replace("?", r"\?")):
        sides(parquet, schema, dataset(split_by=name))


# What is of no use.


def test_a_side_without_a_row_is_refused(tmp_path: Path) -> None:
    parquet, schema = make_table(tmp_path, rows=4)
    with pytest.raises(Unsuitable, match=r"the 4 rows.* leave 0 for validation and 0 for test"):
        sides(parquet, schema, dataset(validation_fraction=1e-9, test_fraction=1e-9))
    with pytest.raises(Unsuitable, match=r"in order of 'when', leave 0 for train"):
        by_column(tmp_path, pa.array([1.0, 1, 1, 1, 2, 2, 2]))


def test_a_target_that_is_constant_in_training_is_refused(tmp_path: Path) -> None:
    parquet, schema = make_table(tmp_path, rows=100)
    table = pq.read_table(parquet.path)
    prices = np.repeat([1.0, 2.0], [85, 15])
    table = table.set_column(table.column_names.index("price"), "price", [prices])
    with pytest.raises(Unsuitable, match="'price' is the same in all training rows"):
        split(tmp_path, table, schema, split_by="sold")
