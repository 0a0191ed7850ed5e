"""CSV as it is found in the wild."""

from pathlib import Path

import pytest

from service.errors import BadRequest
from tests.tables.tables import csv, table_of

PLAIN = "y,a,city\n1.5,2,Oslo\n2.5,3,Bergen\n3.5,4,Oslo\n"
COLUMNS = {"a": [2.0, 3.0, 4.0], "city": ["Oslo", "Bergen", "Oslo"], "y": [1.5, 2.5, 3.5]}


def test_a_plain_file(tmp_path: Path) -> None:
    table = table_of(tmp_path, PLAIN)
    assert table.columns == COLUMNS
    assert table.types == {"a": "number", "city": "text", "y": "number"}


@pytest.mark.parametrize(
    "body",
    [
        PLAIN.rstrip("\n"),
        PLAIN + "\n\n",
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace(",", ", "),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        PLAIN.replace(",", ";").replace(".", ","),
        PLAIN.replace("Oslo", '"Oslo"'),
        PLAIN.replace("1.5", '"1.5"'),
        "\ufeff" + PLAIN,
        "\ufeff" + PLAIN.replace(",", ";").replace(".", ",").replace("\n", "\r\n") + "\r\n",
    ],
)
def test_the_same_file_as_other_programs_write_it(body: str, tmp_path: Path) -> None:
    assert table_of(tmp_path, body).columns == COLUMNS


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_byte_order_mark_tells_the_encoding(encoding: str, tmp_path: Path) -> None:
    mark = "" if encoding in ("utf-16", "utf-32") else "\ufeff"
    body = (mark + PLAIN.replace("Oslo", "Tromsø")).encode(encoding)
    assert table_of(tmp_path, body).columns["city"] == ["Tromsø", "Bergen", "Tromsø"]


def test_another_encoding_is_read_as_told(tmp_path: Path) -> None:
    body = PLAIN.replace("Oslo", "Tromsø €").encode("windows-1252")
    table = table_of(tmp_path, body, encoding="windows-1252")
    assert table.columns["city"][0] == "Tromsø €"
    assert "the encoding is cp1252" in table.contents.notes


def test_quotes_hold_delimiters_line_breaks_and_quotes(tmp_path: Path) -> None:
    body = 'y,a,note\n1,2,"one, two"\n2,3,"first\r\nsecond"\n3,4,"5"" pipe"\n4,5,5" pipe\n'
    notes = table_of(tmp_path, body).columns["note"]
    assert notes == ["one, two", "first\r\nsecond", '5" pipe', '5" pipe']


def test_a_last_value_may_have_line_breaks(tmp_path: Path) -> None:
    assert table_of(tmp_path, 'y,a\n1,x\n2,"u\nv"').columns["a"] == ["x", "u\nv"]


def test_the_delimiter_is_the_one_with_which_the_target_is_a_column(tmp_path: Path) -> None:
    body = "y|note\n1|a,b,c\n2|d,e,f\n3|a,b,c\n"
    assert table_of(tmp_path, body).columns["note"] == ["a,b,c", "d,e,f", "a,b,c"]


def test_what_is_told_is_not_guessed(tmp_path: Path) -> None:
    body = "y:a:b\n1,5:2:x\n2,5:3:z\n"
    table = table_of(tmp_path, body, delimiter=":", decimal=",")
    assert table.columns == {"a": [2.0, 3.0], "b": ["x", "z"], "y": [1.5, 2.5]}


def test_with_a_decimal_comma_a_point_is_none(tmp_path: Path) -> None:
    table = table_of(tmp_path, "y;a\n1,5;1.234\n2,5;1.235\n3,5;1.234\n")
    assert table.columns["a"] == ["1.234", "1.235", "1.234"]


MISSING = ["", "null", "NULL", "NaN", "nan", "NA", "N/A", '""', "  ", " NA "]


@pytest.mark.parametrize("missing", MISSING)
def test_a_missing_value_has_many_forms(missing: str, tmp_path: Path) -> None:
    body = csv(y=[1, 2, 3], a=[1.5, missing, 2.5], b=["u", "v", missing])
    table = table_of(tmp_path, body)
    assert table.columns == {"a": [1.5, None, 2.5], "b": ["u", "v", None], "y": [1, 2, 3]}
    assert table.profile("a").missing == table.profile("b").missing == 1


def test_further_texts_can_mean_a_missing_value(tmp_path: Path) -> None:
    body = csv(y=[1, 2, 3, 4], a=["?", 1, " -", 2], b=["u", "?", "v", "-"])
    table = table_of(tmp_path, body, missing=["?", "-"])
    assert table.columns["a"] == [None, 1, None, 2]
    assert table.columns["b"] == ["u", None, "v", None]


def test_a_row_may_straddle_what_is_read_at_once(tmp_path: Path) -> None:
    rows = [f"{row},{row % 10},{'abcdefghij'[row % 10] * 900}" for row in range(5000)]
    table = table_of(tmp_path, "\n".join(["y,a,b", *rows]))
    assert table.columns["a"] == [row % 10 for row in range(5000)]
    assert table.columns["y"] == list(range(5000))


def test_an_error_far_down_names_its_row(tmp_path: Path) -> None:
    body = csv(y=range(300_000), a=range(300_000)) + "1,2,3\n"
    with pytest.raises(BadRequest, match="row 300001 has 3 values"):
        table_of(tmp_path, body)
