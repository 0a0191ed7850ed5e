"""What type a column has, and how its values are stored."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from service.errors import Invalid
from tests.tables.tables import csv, table_of

MANY = 3000
PAD = "A" * 1000
"""So many rows with this beside them are more than what is read at once."""


@pytest.mark.parametrize(
    ("given", "type_", "stored"),
    [
        (["1", "-2", "+3"], "number", [1, -2, 3]),
        (["1.5", ".5", "2e3"], "number", [1.5, 0.5, 2000]),
        (["0", "1", "0"], "number", [0, 1, 0]),
        (["true", "false", "true"], "boolean", [1, 0, 1]),
        (["True", "FALSE", ""], "boolean", [1, 0, None]),
        (["u", "v", "u"], "text", ["u", "v", "u"]),
        (["1", "2", "x"], "text", ["1", "2", "x"]),
        (["yes", "no", "yes"], "text", ["yes", "no", "yes"]),
        (["007", "008", "100"], "text", ["007", "008", "100"]),
        (["00", "1", "2"], "text", ["00", "1", "2"]),
        (["0.07", "1", "2"], "number", [0.07, 1, 2]),
        (["9007199254740993", "1", "2"], "text", ["9007199254740993", "1", "2"]),
        (["9007199254740993.5", "1", "2"], "number", [2**53 + 2, 1, 2]),
        (["1e300", "1", "2"], "number", [1e300, 1, 2]),
        (["1_000", "1", "2"], "text", ["1_000", "1", "2"]),
        (["12:30", "12:40", "12:30"], "text", ["12:30", "12:40", "12:30"]),
    ],
)
def test_the_values_tell_the_type(
    given: list[str], type_: str, stored: list[Any], tmp_path: Path
) -> None:
    table = table_of(tmp_path, csv(y=[1, 2, 3], a=given))
    assert (table.types["a"], table.columns["a"]) == (type_, stored)
    (feature,) = table.contents.table_schema.features
    assert (feature.name, feature.type) == ("a", type_)


def test_codes_are_whole_numbers_as_text(tmp_path: Path) -> None:
    table = table_of(tmp_path, csv(y=[1, 2, 3], a=["7", "8.0", ""]), categorical=["a"])
    assert (table.types["a"], table.columns["a"]) == ("code", ["7", "8", None])


def test_a_category_of_texts_stays_one(tmp_path: Path) -> None:
    table = table_of(tmp_path, csv(y=[1, 2, 3], a=["u", "v", "7"]), categorical=["a"])
    assert (table.types["a"], table.columns["a"]) == ("text", ["u", "v", "7"])


def test_words_that_look_like_dates_are_words_if_told_so(tmp_path: Path) -> None:
    versions = ["1.2.10", "1.2.11", "1.3.10"]
    table = table_of(tmp_path, csv(y=[1, 2, 3], a=versions), categorical=["a"])
    assert table.columns["a"] == versions


@pytest.mark.parametrize(
    ("first", "last", "type_", "stored"),
    [
        ("1", "x", "text", "1"),
        ("1", "0123", "text", "1"),
        ("1", "2.5", "number", 1.0),
        ("", "2.5", "number", None),
        ("", "x", "text", None),
        ("true", "maybe", "text", "true"),
        ("1.0", "x", "text", "1.0"),
    ],
)
def test_the_last_value_may_decide(
    first: str, last: str, type_: str, stored: object, tmp_path: Path
) -> None:
    filler = [first] * MANY
    columns = {"a": [*filler, first, last], "b": [1.5] * MANY + [2.5, "w"]}
    body = csv(y=range(MANY + 2), **columns, pad=[PAD] * (MANY + 2))
    table = table_of(tmp_path, body, exclude=["pad"])
    assert (table.types["a"], table.types["b"]) == (type_, "text")
    assert table.columns["a"][0] == stored
    assert table.columns["a"][-1] in (last, 2.5)
    assert table.contents.rows == MANY + 2


def test_a_word_among_numbers_is_pointed_out(tmp_path: Path) -> None:
    table = table_of(tmp_path, csv(y=range(5), a=[1, 2, "?", 3, 4]))
    assert 'row 3 is "?"' in table.profile("a").notes[0]
    assert "missing=?" in table.profile("a").notes[0]


def test_a_number_with_a_name_s_looks_is_pointed_out(tmp_path: Path) -> None:
    table = table_of(tmp_path, csv(y=range(3), a=["01", "02", "10"]))
    assert "leading zeros" in table.profile("a").notes[0]


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (["2024-01-02", "2024-01-03"], datetime(2024, 1, 2)),
        (["2024-01-02 03:04", "2024-01-03 03:04"], datetime(2024, 1, 2, 3, 4)),
        (["2024-01-02T03:04:05+02:00", "2024-01-03T00:00:00Z"], datetime(2024, 1, 2, 1, 4, 5)),
        (["2.1.2024", "31.12.2024"], datetime(2024, 1, 2)),
        (["2024/01/02", "2024/01/03"], datetime(2024, 1, 2)),
        (["1/2/2024", "12/31/2024"], "1/2/2024"),
        (["7", "8"], 7.0),
        (["true", "false"], 1.0),
        (["u", "v"], "u"),
        (["inf", "1"], None),
    ],
)
def test_what_is_excluded_is_kept_to_order_by(
    given: list[str], stored: object, tmp_path: Path
) -> None:
    table = table_of(tmp_path, csv(y=[1, 2], a=[3, 4], when=given), exclude=["when"])
    assert table.contents.table_schema.others == ("when",)
    assert [each.name for each in table.contents.table_schema.features] == ["a"]
    assert table.columns["when"][0] == stored


def test_without_features_named_all_others_are_kept_apart(tmp_path: Path) -> None:
    table = table_of(tmp_path, csv(y=[1, 2], a=[3, 4], b=[5, 6], c=[7, 8]), features=["c", "a"])
    assert [each.name for each in table.contents.table_schema.features] == ["a", "c"]
    assert table.contents.table_schema.others == ("b",)


def test_useless_columns_are_named_together(tmp_path: Path) -> None:
    body = csv(y=[1, 2], a=[3, 4], b=[5, 5], c=["u", "u"])
    with pytest.raises(Invalid, match="exclude=b,c"):
        table_of(tmp_path, body)
    assert table_of(tmp_path, body, exclude=["b", "c"]).contents.rows == 2


def test_what_is_missing_now_and_then_is_not_constant(tmp_path: Path) -> None:
    assert table_of(tmp_path, csv(y=[1, 2], a=["yes", ""])).columns["a"] == ["yes", None]
