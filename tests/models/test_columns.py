from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models import parquet as parquet_files
from models.columns import joined, read
from tests.models.tables import Apart, make_table


def test_missing_numbers_are_nan_and_missing_words_are_empty(tmp_path: Path) -> None:
    parquet, schema = make_table(tmp_path, rows=200)
    block, targets = next(read(parquet, schema))
    stored = pq.read_table(parquet.path).to_pydict()
    assert list(block) == ["rooms", "area", "garden", "city"]
    assert block["city"].tolist() == [city or "" for city in stored["city"]]
    assert None in stored["area"]
    np.testing.assert_array_equal(
        block["area"], [np.nan if area is None else area for area in stored["area"]]
    )
    assert block["area"].dtype == targets.dtype == np.float64
    assert targets.tolist() == stored["price"]


def test_words_may_be_stored_as_a_dictionary(tmp_path: Path) -> None:
    parquet, schema = make_table(tmp_path, rows=200)
    plain, _ = next(read(parquet, schema))
    table = pq.read_table(parquet.path)
    encoded = table["city"].dictionary_encode()
    pq.write_table(table.set_column(3, "city", encoded), parquet.path)
    assert pa.types.is_dictionary(pq.read_schema(parquet.path).field("city").type)
    block, _ = next(read(parquet, schema))
    assert block["city"].tolist() == plain["city"].tolist()


def test_chosen_rows_come_in_order_whatever_the_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet, schema = make_table(tmp_path, rows=1000, row_group_rows=300)
    whole, targets = next(read(make_table(tmp_path, rows=1000)[0], schema))
    make_table(tmp_path, rows=1000, row_group_rows=300)
    monkeypatch.setattr(parquet_files, "BATCH_CELLS", 5 * 70)
    chosen = np.arange(1000) % 7 == 3
    blocks = list(read(parquet, schema, chosen))
    assert len(blocks) > 1000 // 70
    together = joined([block for block, _ in blocks])
    assert together["city"].tolist() == whole["city"][chosen].tolist()
    np.testing.assert_array_equal(together["area"], whole["area"][chosen])
    np.testing.assert_array_equal(np.concatenate([some for _, some in blocks]), targets[chosen])


def test_groups_come_in_the_order_asked_for(tmp_path: Path) -> None:
    file, schema = make_table(tmp_path, rows=1000, row_group_rows=300)
    parquet, chosen = Apart(file.path), np.arange(1000) % 7 == 3
    area = pq.read_table(file.path)["area"].to_numpy()
    blocks = list(read(parquet, schema, chosen, [3, 1]))
    expected = np.concatenate([area[900:][chosen[900:]], area[300:600][chosen[300:600]]])
    np.testing.assert_array_equal(joined([block for block, _ in blocks])["area"], expected)
