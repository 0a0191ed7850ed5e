import csv
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import BadRequest, CrosscheckError, Invalid, TooLarge
from service.predict.formats import csv_format
from service.predict.formats.question import Limits
from tests.predict.formats.bodies import LIMITS, ROWS, TABLE, TRIPLES, rows

FULL = [[3.0, 1.0, "Oslo", "7"]]


def read(text: str) -> list[list[Any]]:
    return rows(csv_format.read(text.encode(), TABLE, LIMITS))


@pytest.mark.parametrize(
    "text",
    [
        "rooms,new,city,zip\n3,true,Oslo,7\n",
        "zip,city,new,rooms\r\n07,Oslo,1,3.0\r\n\r\n",
        "\ufeffrooms,new,city,zip\n3,True,Oslo,7",
        '"rooms", new ,"city","zip"\n"3","true","Oslo","7"\n',
    ],
    ids=["plain", "as Excel writes it", "with a byte order mark", "quoted"],
)
def test_csv_is_read_as_programs_write_it(text: str) -> None:
    assert read(text) == FULL


def test_what_is_empty_and_what_says_so_is_missing() -> None:
    text = 'rooms,new,city,zip\n,,,\nNA,NA,NA,NA\nnan,null,NULL,""\n'
    assert read(text) == [[None] * 4] * 3


def test_a_column_may_be_absent_and_a_text_may_hold_lines() -> None:
    assert read('city,rooms\n"a ""b"",\nc",1\n') == [[1.0, None, 'a "b",\nc', None]]


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("rooms\n1\nthree\n", 'instances[1].rooms: must be a number, received "three"'),
        ("city,rooms\na, 1\nb,1_2\n", 'instances[1].rooms: must be a number, received "1_2"'),
        ("new\nyes\n", 'instances[0].new: must be true or false, received "yes"'),
        ("rooms\n1\n-inf\n", "instances[1].rooms: it is not a finite number"),
        ("rooms,city\n1,a\n2\n", "instances[1]: must hold 2 values, as the first line does"),
        ("rooms\n1,2\n", "instances[0]: must hold 1 values, as the first line does, received 2"),
        ("romms\n1\n", 'column "romms": there is no such column: did you mean rooms?'),
        ("price\n1\n", 'column "price": it is the target'),
        ("rooms,rooms\n1,2\n", 'column "rooms": it is there more than once'),
        ("rooms;city\n1;a\n", "the columns must be separated by commas"),
        ("1,2\n3,4\n", 'column "1": there is no such column'),
        ("", "the first line must hold the names of the columns"),
        ("\nrooms\n1\n", "the first line must hold the names of the columns"),
    ],
)
def test_what_is_wrong_is_named_by_its_row_and_column(text: str, detail: str) -> None:
    with pytest.raises(Invalid) as refusal:
        read(text)
    assert refusal.value.detail.startswith(detail)


@pytest.mark.parametrize("content", [b"city\n\xff\n", b"\xff\xfer\0o\0", b"rooms\n\xff\n"])
def test_what_is_not_utf8_is_refused(content: bytes) -> None:
    with pytest.raises(CrosscheckError):
        csv_format.read(content, TABLE, LIMITS)
    with pytest.raises(BadRequest, match="UTF-8"):
        csv_format.read(b"city\n\xff\n", TABLE, LIMITS)


def test_rows_are_bounded() -> None:
    with pytest.raises(TooLarge, match="more than 2 rows"):
        csv_format.read(b"rooms\n1\n2\n3\n", TABLE, Limits(rows=2, bytes=10**6))


def test_triples_have_columns_too_and_none_may_be_missing() -> None:
    features = csv_format.read(b"x2,x0,x1\n.3,.1,.2\n.6,.4,.5\n", TRIPLES, LIMITS)
    np.testing.assert_array_equal(features["features"], ROWS)
    with pytest.raises(Invalid, match="x0: it is not a finite number"):
        csv_format.read(b"x0,x1,x2\n,.2,.3\n", TRIPLES, LIMITS)
    with pytest.raises(Invalid, match='column "x2": it is missing'):
        csv_format.read(b"x0,x1\n.1,.2\n", TRIPLES, LIMITS)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(st.lists(st.tuples(st.floats(-1e300, 1e300), texts), min_size=1, max_size=5))
def test_what_python_writes_is_read_back(sent: list[tuple[float, str]]) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("rooms", "city"), *sent])
    missing = {"null", "NULL", "NaN", "nan", "NA", "N/A"}
    found = [(row[0], row[2]) for row in read(file.getvalue())]
    assert found == [(n, None if text in missing else text) for n, text in sent]


def test_written_csv_has_the_digits_of_the_precision() -> None:
    predictions = np.array([0.1, 2.5], np.float32)
    assert csv_format.write(predictions, "cross", 1) == b"predictions\n0.1\n2.5\n"
    with pytest.raises(Invalid, match=r"instances\[1\]"):
        csv_format.write(np.array([1.0, np.inf]), "cross", 1)
