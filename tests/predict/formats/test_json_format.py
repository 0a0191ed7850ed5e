import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.errors import CrosscheckError, Invalid
from service.predict.formats import json_format
from tests.predict.formats.bodies import LIMITS, TRIPLES

ODD_VERSIONS = [None, True, "1", 1.5, 2.0, 2**53 - 1, 2**53, 1e300]

finite = st.floats(allow_nan=False, allow_infinity=False)
number = finite | st.integers(-(2**70), 2**70)
row = st.lists(number, min_size=3, max_size=3)
scalar = st.none() | st.booleans() | st.text(max_size=3) | number
anything = st.recursive(
    scalar,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
mostly_rows = st.lists(row | st.lists(scalar, max_size=4) | anything, max_size=4)
document = st.fixed_dictionaries(
    {"instances": st.lists(row, max_size=4) | mostly_rows | anything},
    optional={
        "model": st.sampled_from(["dense", "cross", "linear", None, 1]),
        "version": st.integers(-1, 3) | st.sampled_from(ODD_VERSIONS),
        "other": scalar,
    },
)
written = st.builds(lambda value: json.dumps(value).encode(), document | anything)
misprinted = st.builds(
    lambda content, place, wrong: content[:place] + wrong + content[place + 1 :],
    st.builds(lambda rows: json.dumps({"instances": rows}).encode(), st.lists(row, min_size=1)),
    st.integers(13, 60),
    st.sampled_from([b"", b"[", b"]", b",", b"],[", b"0", b"-", b".", b"e", b" ", b'"', b"n"]),
)
body = written | misprinted | st.binary()


def obvious(content: bytes) -> tuple[Any, Any, Any] | None:
    """What a body asks, read without haste; None if it is to be refused."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        asked = json.loads(content.decode("utf-8-sig"), parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    if not isinstance(asked, dict) or not {"instances"} <= asked.keys() <= {
        "instances",
        "model",
        "version",
    }:
        return None
    model, version = asked.get("model"), asked.get("version")
    if model not in ("dense", "cross", None) or isinstance(model, bool):
        return None
    if version is not None:  # of 2.0, JSON Schema says that it is the integer 2
        if type(version) not in (int, float) or version != version // 1:
            return None
        if not 1 <= version < 2**53 or model is None:
            return None
    if not isinstance(asked["instances"], list):
        return None
    rows = []
    for instance in asked["instances"]:
        if not isinstance(instance, list) or len(instance) != 3:
            return None
        for value in instance:
            if type(value) not in (int, float) or not math.isfinite(float(value)):
                return None
        rows.append([float(value) for value in instance])
    return rows, model, version


@given(body)
@example(b'{"instances": [[1, 2, 3]], "instances": []}')
@example(b'{"instances": [[1e999, 2, 3]]}')
@example(b'{"instances": [[-0.0, 1E+2, 3e-400]]}')
@example(b'{"instances": [[01, 2, 3]]}')
@example(b'{"instances": [[.5, 2, 3]]}')
@example(b'{"instances": [[1, 2, 3],]}')
@example(b'{"instances": [[1, 2], [3, 4, 5, 6]]}')
@example(b'{"instances": [1[, 2, 3]]}')
@example(b'{"instances": [[1, 2, 3]4, [5, 6, 7]]}')
@example(b'{"instances": [[1 2, 3, 4]]}')
@example(b'{"instances": [[1, 2, 3]], "instances": [[4, 5, 6]]}')
@example(b'{"instances": [[18446744073709551617, -9223372036854775809, 1]]}')
@example('\ufeff{"instances": []}'.encode())
def test_json_is_read_and_refused_as_an_obvious_reader_does(content: bytes) -> None:
    expected = obvious(content)
    try:
        question = json_format.ask(content, b"")
        features = json_format.read(question.instances, TRIPLES, LIMITS)["features"]
    except CrosscheckError as error:
        assert expected is None
        assert error.status in (400, 422)
    else:
        assert expected is not None
        assert (features.tolist(), question.model, question.version) == expected


ROW = b'{"instances": [[1, 2, 3]]}'
CHOSEN = b'{"instances": [[1, 2, 3]], "model": "cross", "version": 2}'


def test_a_choice_in_the_query_is_no_less_than_one_in_the_body() -> None:
    for body, query in ((CHOSEN, b""), (ROW, b"model=cross&version=2")):
        assert json_format.ask(body, query)[:3] == ("triples", "cross", 2)


@pytest.mark.parametrize(
    ("body", "query"), [(CHOSEN, b"model=cross"), (CHOSEN, b"version=2"), (ROW, b"modle=cross")]
)
def test_two_choices_and_misspelt_ones_are_refused(body: bytes, query: bytes) -> None:
    with pytest.raises(Invalid):
        json_format.ask(body, query)


@given(st.lists(finite, min_size=1))
def test_written_json_is_read_back_to_the_last_bit(values: list[float]) -> None:
    answer = json.loads(json_format.write(np.array(values), "cross", 3))
    assert answer == {"predictions": values, "model": "cross", "version": 3}
