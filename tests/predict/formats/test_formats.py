import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import CrosscheckError, Invalid, UnsupportedMediaType
from service.predict import formats
from tests.predict.formats.bodies import ROWS, arrow, npy

STREAM = arrow(*ROWS.T)


@given(st.binary(max_size=300), st.integers(0, len(STREAM)), st.sampled_from([STREAM, npy(ROWS)]))
def test_no_binary_body_is_more_than_refused(noise: bytes, place: int, good: bytes) -> None:
    content = good[:place] + noise + good[place + len(noise) :]
    for read in (formats.NPY.read, formats.ARROW.read):
        try:
            read(content, b"")
        except CrosscheckError as error:
            assert error.status in (400, 422)


@pytest.mark.parametrize(
    "query", [b"model=linear", b"version=x", b"version=0", b"rows=1", b"version=1.5", b"\xff=1"]
)
def test_a_query_that_cannot_be_meant_is_refused(query: bytes) -> None:
    with pytest.raises(Invalid):
        formats.NPY.read(npy(ROWS), query)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (b"", "application/json"),
        (b"*/*", "application/json"),
        (b"application/x-npy", "application/x-npy"),
        (b"text/html, application/X-NPY;q=0.9", "application/x-npy"),
        (b"application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream"),
        (b"image/png", "application/json"),
        (b"\xff", "application/json"),
    ],
)
def test_the_answer_is_in_the_first_known_format(accept: bytes, media_type: str) -> None:
    assert formats.of_answer(accept).media_type == media_type


@pytest.mark.parametrize("content_type", [b"", b"text/plain", b"application/x-npyz", b"\xff"])
def test_an_unknown_content_type_is_refused(content_type: bytes) -> None:
    with pytest.raises(UnsupportedMediaType):
        formats.of_body(content_type)
