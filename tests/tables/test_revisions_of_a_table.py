"""A later revision has the columns of the ones before it, and reads them as they did."""

from pathlib import Path
from typing import Any

import pytest

from models.schema import Column, TableSchema
from service.errors import Conflict, Invalid
from tests.tables.malformed import arrow
from tests.tables.tables import csv, table_of

FIRST = TableSchema(
    features=(
        Column(name="size", type="number"),
        Column(name="new", type="boolean"),
        Column(name="city", type="text"),
        Column(name="zone", type="code"),
    ),
    target="y",
    task="regression",
    others=("when",),
)
ROWS: dict[str, list[Any]] = {
    "when": ["2024-01-02", "2024-01-03"],
    "zone": [7, 8],
    "city": ["u", "v"],
    "new": ["true", "false"],
    "size": [1.5, 2],
    "y": [1, 2],
}


def test_the_same_columns_in_another_order(tmp_path: Path) -> None:
    table = table_of(tmp_path, csv(**ROWS), FIRST)
    assert table.contents.table_schema == FIRST
    assert list(table.columns) == ["size", "new", "city", "zone", "y", "when"]


def test_types_are_those_of_before_whatever_the_values_look_like(tmp_path: Path) -> None:
    rows = {**ROWS, "city": ["007", "2024-01-02"], "zone": ["8", "08"], "new": [1, 0]}
    columns = table_of(tmp_path, csv(**{**rows, "size": ["1e5", "0123"]}), FIRST).columns
    assert columns["city"] == ["007", "2024-01-02"]
    assert columns["zone"] == ["8", "8"]
    assert columns["new"] == [1, 0]
    assert columns["size"] == [1e5, 123]


def test_a_column_may_be_constant_or_empty_now(tmp_path: Path) -> None:
    rows = {**ROWS, "size": [1, 1], "city": ["", ""], "new": ["", ""], "zone": ["", ""]}
    table = table_of(tmp_path, csv(**{**rows, "y": [3, 3]}), FIRST)
    assert table.columns["city"] == table.columns["new"] == [None, None]
    assert table.contents.table_schema == FIRST


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"size": ["1", "big"]}, 'row 2 of column "size" is "big"; in other .* holds numbers'),
        ({"new": ["true", "perhaps"]}, 'row 2 of column "new" is "perhaps"; .* holds booleans'),
        ({"zone": ["7", "7a"]}, 'row 2 of column "zone" is "7a"'),
        ({"y": ["1", "yes"]}, 'row 2 of column "y" is "yes"'),
        ({"size": None}, 'missing: "size"'),
        ({"when": None}, 'missing: "when"'),
        ({"city": None, "town": ["u", "v"]}, 'missing: "city"; unknown: "town"'),
    ],
)
def test_other_columns_or_types_are_a_conflict(
    changed: dict[str, Any], says: str, tmp_path: Path
) -> None:
    rows = {name: values for name, values in {**ROWS, **changed}.items() if values is not None}
    with pytest.raises(Conflict, match=says):
        table_of(tmp_path, csv(**rows), FIRST)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"target": "size"}, "the target of this dataset"),
        ({"exclude": ["size"]}, 'no features now: "size"'),
        ({"features": ["size", "new", "city"]}, 'no features now: "zone"'),
        ({"features": ["size", "new", "city", "zone", "when"]}, 'features now: "when"'),
    ],
)
def test_other_roles_are_a_conflict(options: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(Conflict, match=says):
        table_of(tmp_path, csv(**ROWS), FIRST, **options)


def test_what_was_left_out_can_be_left_out_again(tmp_path: Path) -> None:
    rows = {**ROWS, "tags": ["u", "v"]}
    with pytest.raises(Conflict, match='unknown: "tags"'):
        table_of(tmp_path, csv(**rows), FIRST)
    assert table_of(tmp_path, csv(**rows), FIRST, exclude=["tags"]).contents.rows == 2


@pytest.mark.parametrize(
    ("classes", "given", "stored"),
    [
        (("no", "yes"), ["yes", "yes"], [1, 1]),
        (("0", "1"), [1, 1], [1, 1]),
        (("0", "1"), ["0.0", "1.0"], [0, 1]),
        (("1", "2"), [2, 1], [1, 0]),
        (("1", "2"), [2, 2], [1, 1]),
        (("false", "true"), ["TRUE", "false"], [1, 0]),
    ],
)
def test_classes_are_those_of_before(
    classes: tuple[str, str], given: list[Any], stored: list[float], tmp_path: Path
) -> None:
    expected = TableSchema(
        features=(Column(name="a", type="number"),), target="y", task="binary", classes=classes
    )
    body = csv(y=given, a=[1, 2])
    assert table_of(tmp_path, body, expected).columns["y"] == stored


def test_another_class_is_a_conflict(tmp_path: Path) -> None:
    expected = TableSchema(
        features=(Column(name="a", type="number"),),
        target="y",
        task="binary",
        classes=("no", "yes"),
    )
    with pytest.raises(Conflict, match=r'row 2 of column "y" is "perhaps"; the classes .* "yes"'):
        table_of(tmp_path, csv(y=["yes", "perhaps"], a=[1, 2]), expected)


def test_values_must_be_usable_in_later_revisions_too(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match='row 2 of column "size"'):
        table_of(tmp_path, csv(**{**ROWS, "size": ["1", "inf"]}), FIRST)


def test_a_revision_needs_a_row_with_a_target(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no row has a value of the target"):
        table_of(tmp_path, csv(**{**ROWS, "y": ["", "NA"]}), FIRST, missing_target="drop")


def test_a_revision_may_come_in_another_format(tmp_path: Path) -> None:
    rows = {**ROWS, "new": [True, False], "zone": [7.0, 8.0]}
    table = table_of(tmp_path, arrow(rows), FIRST)
    assert table.columns["zone"] == ["7", "8"]
    assert table.contents.table_schema == FIRST
