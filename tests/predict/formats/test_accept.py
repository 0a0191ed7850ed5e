import pytest

from service.predict import formats
from service.predict.formats.accept import MOST_RANGES

JSON, NPY, ARROW, CSV, PARQUET = formats.FORMATS
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", JSON),
        ("*/*", JSON),
        (JSON, JSON),
        (NPY, NPY),
        (ARROW, ARROW),
        ("text/*", CSV),
        (PARQUET, PARQUET),
        (BROWSER, JSON),
        ("image/png", JSON),
        # Qualities.
        (f"{NPY};q=0", JSON),
        (f"{NPY};q=0, {ARROW}", ARROW),
        (f"{NPY};q=0.000, {ARROW};q=0.001", ARROW),
        (f"{NPY};q=0.1, {ARROW};q=0.2", ARROW),
        (f"{NPY};q=.3, {ARROW};q=.2", NPY),
        (f"{JSON};q=0.5, {NPY}", NPY),
        (f"{JSON};q=0, */*", NPY),
        (f"{JSON};q=0, {NPY};q=0, */*;q=0.1", ARROW),
        (f"{JSON};q=0", JSON),
        ("*/*;q=0", JSON),
        # Of ranges that match, the most specific one counts.
        (f"*/*, {JSON};q=0.1, {NPY};q=0.1", ARROW),
        (f"application/*;q=0.1, */*, {NPY};q=0.2", CSV),
        (f"{NPY};level=1;q=0, {NPY}", NPY),
        # Among equals: what is named exactly, then what is named first.
        (f"*/*, {NPY}", NPY),
        (f"application/*, {ARROW}", ARROW),
        (f"{NPY}, {JSON}", NPY),
        (f"{JSON}, {NPY}", JSON),
        ("application/*", JSON),
        # As it may be spelled.
        (f"text/html , {NPY.upper()} ; Q=0.9", NPY),
        (f"{NPY};charset=binary", NPY),
        (f'{NPY};note="a,b;q=0 \\", {JSON}"', NPY),
        (f'text/plain;note=", {NPY}', JSON),
        (f"\t,, {NPY} ,", NPY),
        # What is malformed is passed over.
        (f"{NPY};q=high", NPY),
        (f"{NPY};q=2, {ARROW};q=0.5", NPY),
        (f"{NPY};q=-1", NPY),
        (f"{NPY};q", NPY),
        (f"{NPY};q=, ;;;, /, x", NPY),
        ("*; q=.2, */*; q=.2", JSON),
        ("application", JSON),
        ("x-npy", JSON),
        ("\xff\x00", JSON),
        ("*" * 60_000, JSON),
        ('"' * 60_001, JSON),
        ("," * MOST_RANGES + NPY, JSON),
    ],
    ids=lambda value: str(value)[:60],
)
def test_the_answer_is_in_the_format_that_is_wanted_most(accept: str, media_type: str) -> None:
    assert formats.of_answer(accept.encode("latin-1")).media_type == media_type
