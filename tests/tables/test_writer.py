"""Row groups are written in a thread; what goes wrong there is told."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from service.errors import Invalid
from service.tables import writer
from service.tables.column import Column, Style
from service.tables.values import Array
from service.tables.writer import Writer

STYLE = Style(False, pa.array([], pa.string()))
COLUMNS = [
    Column("a", "feature", STYLE, named_categorical=False, expected=None),
    Column("y", "target", STYLE, named_categorical=False, expected=None),
]


@pytest.fixture(autouse=True)
def _small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "GROUP_ROWS", 2)


def batch(*words: str) -> Array:
    return pa.record_batch({"a": list(words), "y": [float(len(word)) for word in words]})


def test_all_rows_are_in_the_file_in_their_order_and_in_the_profile(tmp_path: Path) -> None:
    with Writer(tmp_path / "data", COLUMNS, max_distinct=10) as table:
        for words in ("u", "vv"), ("u",), ("www", "u"), ("vv",):
            table.add(batch(*words))
        table.flush()
    file = pyarrow.parquet.ParquetFile(tmp_path / "data")
    assert file.read()["a"].to_pylist() == ["u", "vv", "u", "www", "u", "vv"]
    assert file.num_row_groups == 4
    assert table.rows == 6
    assert table.profiles[0].summary().most_frequent == [("u", 3), ("vv", 2), ("www", 1)]


def write(path: Path, *batches: Array) -> None:
    with Writer(path, COLUMNS, max_distinct=1) as table:
        for each in batches:
            table.add(each)
        table.flush()


@pytest.mark.parametrize("later", [0, 3])
def test_a_refusal_of_a_row_group_is_raised_with_or_without_later_ones(
    tmp_path: Path, later: int
) -> None:
    batches = [batch("u", "vv"), *[batch("u", "u")] * later]
    with pytest.raises(Invalid, match="more than 1 different values"):
        write(tmp_path / "data", *batches)
