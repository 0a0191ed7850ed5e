from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models import parquet
from models.parquet import OneFile, batches


def test_the_file_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "BATCH_CELLS", 2**17)
    draw = np.random.default_rng(0)
    table = pa.table({f"x{index}": draw.random(400_000) for index in range(8)})
    pq.write_table(table, tmp_path / "data.parquet", row_group_size=50_000)
    size = table.nbytes
    del table
    held = pa.total_allocated_bytes()
    most = 0
    for _ in batches(OneFile(tmp_path / "data.parquet"), [f"x{index}" for index in range(8)]):
        most = max(most, pa.total_allocated_bytes() - held)
    assert most < size / 2
