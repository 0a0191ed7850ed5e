from pathlib import Path
from typing import Any

import pytest

from service.errors import Invalid
from tests.tables.tables import csv, table_of


@pytest.mark.parametrize(
    ("given", "task", "classes", "stored"),
    [
        ([1, 2.5, 3], "regression", None, [1, 2.5, 3]),
        ([1, 2, 1], "regression", None, [1, 2, 1]),
        ([0, 1, 0], "binary", ("0", "1"), [0, 1, 0]),
        (["0.0", "1.0", "1"], "binary", ("0", "1"), [0, 1, 1]),
        (["true", "false", "true"], "binary", ("false", "true"), [1, 0, 1]),
        (["yes", "no", "yes"], "binary", ("no", "yes"), [1, 0, 1]),
        (["<=50K", ">50K", ">50K"], "binary", ("<=50K", ">50K"), [0, 1, 1]),
        (["a", "B", "a"], "binary", ("B", "a"), [1, 0, 1]),
    ],
)
def test_the_values_tell_the_task(
    given: list[Any], task: str, classes: object, stored: list[float], tmp_path: Path
) -> None:
    table = table_of(tmp_path, csv(y=given, a=[1, 2, 3]))
    schema = table.contents.table_schema
    assert (schema.task, schema.classes, table.columns["y"]) == (task, classes, stored)


@pytest.mark.parametrize(
    ("task", "given", "classes", "stored"),
    [
        ("regression", [0, 1, 0], None, [0, 1, 0]),
        ("regression", ["true", "false", "true"], None, [1, 0, 1]),
        ("binary", [1, 2, 1], ("1", "2"), [0, 1, 0]),
        ("binary", [10, 9, 10], ("9", "10"), [1, 0, 1]),
        ("binary", [-1, 1, -1], ("-1", "1"), [0, 1, 0]),
        ("binary", [0.5, 1, 0.5], ("0.5", "1"), [0, 1, 0]),
    ],
)
def test_a_task_can_be_told(
    task: str, given: list[Any], classes: object, stored: list[float], tmp_path: Path
) -> None:
    table = table_of(tmp_path, csv(y=given, a=[1, 2, 3]), task=task)
    schema = table.contents.table_schema
    assert (schema.task, schema.classes, table.columns["y"]) == (task, classes, stored)


@pytest.mark.parametrize(
    ("low", "high", "task"), [("no", "yes", None), ("1", "2", "binary"), ("0", "2", "binary")]
)
def test_rows_may_be_sorted_by_the_class(
    low: str, high: str, task: str | None, tmp_path: Path
) -> None:
    number = 2000
    pad = ["A" * 1000] * 2 * number  # more than what is read at once
    body = csv(y=[high] * number + [low] * number, a=range(2 * number), pad=pad)
    table = table_of(tmp_path, body, task=task, exclude=["pad"])
    assert table.contents.table_schema.classes == (low, high)
    assert table.columns["y"] == [1.0] * number + [0.0] * number


def test_numbers_that_turn_out_to_be_more_than_two_are_a_regression(tmp_path: Path) -> None:
    pad = ["A" * 1000] * 4001  # more than what is read at once
    body = csv(y=[*[0, 1] * 2000, 2.5], a=range(4001), pad=pad)
    assert table_of(tmp_path, body, exclude=["pad"]).contents.table_schema.task == "regression"


def test_rows_without_a_target_are_left_out_if_told_so(tmp_path: Path) -> None:
    body = csv(y=[1, "", 3, "NA"], a=["u", "v", "w", "x"])
    table = table_of(tmp_path, body, missing_target="drop")
    assert table.columns == {"a": ["u", "w"], "y": [1, 3]}
    assert (table.contents.rows, table.contents.dropped) == (2, 2)
    assert table.profile("a").distinct == 2
    with pytest.raises(Invalid, match="row 2 of column"):
        table_of(tmp_path, body)


def test_the_profile_of_two_classes_counts_them(tmp_path: Path) -> None:
    profile = table_of(tmp_path, csv(y=["no", "yes", "no", "no"], a=[1, 2, 3, 4])).profile("y")
    assert profile.type == "text"
    assert profile.most_frequent == [("no", 3), ("yes", 1)]
    assert (profile.least, profile.greatest, profile.mean) == (None, None, 0.25)
