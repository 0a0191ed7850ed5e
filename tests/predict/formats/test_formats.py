import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import CrosscheckError, Invalid, UnsupportedMediaType
from service.predict import formats
from tests.predict.formats.bodies import LIMITS, ROWS, TRIPLES, arrow, npy

STREAM = arrow(*ROWS.T)


@given(st.binary(max_size=300), st.integers(0, len(STREAM)), st.sampled_from([STREAM, npy(ROWS)]))
def test_no_binary_body_is_more_than_refused(noise: bytes, place: int, good: bytes) -> None:
    content = good[:place] + noise + good[place + len(noise) :]
    for read in (formats.NPY.read, formats.ARROW.read):
        try:
            read(content, TRIPLES, LIMITS)
        except CrosscheckError as error:
            assert error.status in (400, 422)


@pytest.mark.parametrize(
    "query", [b"model=linear", b"version=x", b"version=0", b"rows=1", b"version=1.5", b"\xff=1"]
)
def test_a_query_that_cannot_be_meant_is_refused(query: bytes) -> None:
    with pytest.raises(Invalid):
        formats.NPY.ask(npy(ROWS), query)


@pytest.mark.parametrize("content_type", [b"", b"text/plain", b"application/x-npyz", b"\xff"])
def test_an_unknown_content_type_is_refused(content_type: bytes) -> None:
    with pytest.raises(UnsupportedMediaType):
        formats.of_body(content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/json;charset=utf-8",
        b'Application/JSON ; a=b; Charset="UTF-8"',
        b"application/json; charset=utf8",
        b"application/json; charset=us-ascii",
        b"application/json;;=\xff",
    ],
)
def test_json_is_known_however_it_is_spelled(content_type: bytes) -> None:
    assert formats.of_body(content_type) is formats.JSON


@pytest.mark.parametrize("charset", [b"latin-1", b"utf-16", b'"utf-7"', b"\xff", b"x" * 5000])
def test_json_in_another_character_set_is_refused(charset: bytes) -> None:
    with pytest.raises(UnsupportedMediaType, match="UTF-8") as refusal:
        formats.of_body(b"application/json; charset=" + charset)
    assert len(refusal.value.detail) < 200


def test_who_sends_another_content_type_is_told_which_header_to_send() -> None:
    with pytest.raises(UnsupportedMediaType) as refusal:
        formats.of_body(b"application/x-www-form-urlencoded")
    assert refusal.value.detail == (
        "send the header `Content-Type: application/json`, `Content-Type: application/x-npy`, "
        "`Content-Type: application/vnd.apache.arrow.stream`, `Content-Type: text/csv` or "
        "`Content-Type: application/vnd.apache.parquet`; "
        'received "application/x-www-form-urlencoded"'
    )
