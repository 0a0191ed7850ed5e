"""JSON rows of tables, by column name and in order; triples by name."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.schema import Column, TableSchema
from service.errors import BadRequest, Invalid, TooLarge
from service.predict.formats import json_format
from service.predict.formats.intake import Intake
from service.predict.formats.question import Limits
from tests.predict.formats.bodies import LIMITS, TABLE, TRIPLES, rows

ODD = ("a.b", "x` - at `$[9]`", "", " ", "né\n", '5"', "a\\\\b", "instances", "c0")


def read(instances: Any, intake: Intake = TABLE) -> list[list[Any]]:
    body = json.dumps({"dataset": "houses", "instances": instances}).encode()
    return rows(json_format.read(json_format.ask(body, b"").instances, intake, LIMITS))


def refusal(instances: Any, intake: Intake = TABLE) -> str:
    with pytest.raises(Invalid) as refused:
        read(instances, intake)
    return refused.value.detail


def test_objects_and_arrays_may_be_mixed() -> None:
    full = {"zip": 7, "rooms": 3, "city": "Oslo", "new": True}
    assert read([full, [3, True, "Oslo", 7]]) == [[3.0, 1.0, "Oslo", "7"]] * 2


def test_null_and_an_absent_feature_are_missing_and_so_is_an_empty_text() -> None:
    nothing = [None] * 4
    absent = dict.fromkeys(["rooms", "new", "city", "zip"])
    assert read([{}, absent, nothing, {"city": "", "zip": ""}]) == [nothing] * 4


@pytest.mark.parametrize("value", [7, 7.0, "7", "07", "+7"])
def test_a_code_is_the_same_as_a_number_and_as_a_text(value: Any) -> None:
    assert read([{"zip": value}]) == [[None, None, None, "7"]]


@pytest.mark.parametrize("value", ["x7", " 7", "7.5", "1_000", "٧"])
def test_another_text_in_a_column_of_codes_stays_as_it_is(value: str) -> None:
    assert read([{"zip": value}]) == [[None, None, None, value]]


@pytest.mark.parametrize(("value", "number"), [(True, 1), (False, 0), (1, 1), (0.0, 0)])
def test_a_boolean_may_be_a_number(value: Any, number: float) -> None:
    assert read([{"new": value}]) == [[None, number, None, None]]


@pytest.mark.parametrize(
    ("instance", "detail"),
    [
        ({"rooms": "3"}, '.rooms: must be a number, received "3"'),
        ({"rooms": True}, ".rooms: must be a number, received true"),
        ({"new": 2}, ".new: must be true or false, received 2"),
        ({"new": "yes"}, '.new: must be true or false, received "yes"'),
        ({"city": 3}, ".city: must be a text, received 3"),
        ({"city": ["Oslo"]}, '.city: must be a text, received ["Oslo"]'),
        ({"zip": 7.5}, ".zip: must be a whole number or a text, received 7.5"),
        ({"zip": True}, ".zip: must be a whole number or a text, received true"),
        ({"romms": 3}, ".romms: there is no such column: did you mean rooms?"),
        ({"garden": 3}, ".garden: there is no such column"),
        ({"price": 3}, ".price: it is the target, which is predicted: leave it out"),
        ({"sold": 3}, ".sold: it is none of the features: leave it out"),
        ([3, True, "Oslo"], ": must hold 4 values, one for each column, received 3"),
        ([3, True, 7, "Oslo"], "[2]: must be a text, received 7"),
        (3, ": must be an object by column name, or an array, received 3"),
    ],
)
def test_what_is_wrong_is_named_by_its_row_and_column(instance: Any, detail: str) -> None:
    assert refusal([{}, {"rooms": 3}, instance]) == f"instances[2]{detail}"


def test_a_number_that_is_too_large_is_named() -> None:
    body = b'{"dataset": "houses", "instances": [{}, {"rooms": 1e999}]}'
    with pytest.raises(Invalid, match=r"instances\[1\].rooms: must be a number"):
        json_format.read(json_format.ask(body, b"").instances, TABLE, LIMITS)


def test_instances_must_be_an_array() -> None:
    assert refusal({}) == "instances: must be an array of objects or arrays"


@pytest.mark.parametrize("text", [b"\xff", b"\xed\xa0\x80"])
def test_a_text_that_is_not_utf8_is_not_json(text: bytes) -> None:
    body = b'{"dataset": "houses", "instances": [{"city": "%b"}]}' % text
    with pytest.raises(BadRequest):
        json_format.read(json_format.ask(body, b"").instances, TABLE, LIMITS)


@given(st.lists(st.sampled_from(ODD), unique=True, min_size=1), st.data())
def test_columns_may_be_called_as_they_like(names: list[str], data: st.DataObject) -> None:
    features = tuple(Column(name=name, type="text") for name in names)
    intake = Intake(TableSchema(features=features, target="price", task="regression"))
    order = data.draw(st.permutations(names))
    assert read([{name: f"of {name}" for name in order}], intake) == [[f"of {n}" for n in names]]
    wrong = data.draw(st.sampled_from(names))
    assert refusal([{wrong: 3}], intake).endswith(": must be a text, received 3")


instance = st.fixed_dictionaries(
    {},
    optional={
        "rooms": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "new": st.none() | st.booleans(),
        "city": st.none() | st.text(st.characters(exclude_categories=["Cs"])),
        "zip": st.none() | st.integers(-(2**63), 2**63),
    },
)


@given(st.lists(instance, min_size=1, max_size=5))
def test_what_is_read_is_what_was_sent(sent: list[dict[str, Any]]) -> None:
    def expected(row: dict[str, Any]) -> list[Any]:
        code = row.get("zip")
        words = [row.get("city") or None, None if code is None else str(code)]
        return [row.get("rooms"), row.get("new"), *words]

    assert read(sent) == [expected(row) for row in sent]


def test_triples_may_be_posted_by_name_and_none_may_be_missing() -> None:
    body = b'{"instances": [{"x2": 3, "x0": 1, "x1": 2}, [4, 5, 6]]}'
    features = json_format.read(json_format.ask(body, b"").instances, TRIPLES, LIMITS)
    np.testing.assert_array_equal(features["features"], [[1, 2, 3], [4, 5, 6]])
    assert refusal([{"x0": 1, "x1": 2}], TRIPLES) == "instances[0].x2: it is missing"
    assert refusal([[1, 2, None]], TRIPLES) == "instances[0][2]: must be a number, received null"
    assert "x3: there is no such column" in refusal([{"x0": 1, "x3": 2}], TRIPLES)


@pytest.mark.parametrize(
    ("body", "query", "asked"),
    [
        (b'{"instances": [[1, 2, 3]]}', b"", ("triples", None, None)),
        (b'{"instances": [[1, 2, 3]], "dataset": null}', b"", ("triples", None, None)),
        (b'{"instances": [[1, 2, 3]], "dataset": "triples"}', b"", ("triples", None, None)),
        (b'{"instances": [[1, 2, 3]], "dataset": "houses"}', b"", ("houses", None, None)),
        (b'{"instances": [[1, 2, 3]]}', b"dataset=houses&model=cross", ("houses", "cross", None)),
        (b'\xef\xbb\xbf{"instances": [{}], "dataset": "a"}', b"", ("a", None, None)),
    ],
)
def test_the_dataset_is_known_before_the_rows_are_read(
    body: bytes, query: bytes, asked: Any
) -> None:
    assert json_format.ask(body, query)[:3] == asked


@pytest.mark.parametrize("name", ["", "../a", "a/b", "A", "houses\n", "x" * 65, "-a", "."])
def test_what_cannot_be_a_dataset_never_becomes_a_path(name: str) -> None:
    body = json.dumps({"dataset": name, "instances": []}).encode()
    with pytest.raises(Invalid, match="dataset"):
        json_format.ask(body, b"")


def test_many_small_rows_are_refused_before_they_take_memory() -> None:
    few = Limits(rows=10, bytes=10**6)
    for instances, fits in (
        ("{}," * 9, True),
        ("{}," * 20, False),
        ('{"city": "[[{{{"},' * 9, True),
    ):
        body = f'{{"dataset": "houses", "instances": [{instances}{{}}]}}'.encode()
        raw = json_format.ask(body, b"").instances
        if fits:
            assert len(json_format.read(raw, TABLE, few)["rooms"]) == 10
        else:
            with pytest.raises(TooLarge):
                json_format.read(raw, TABLE, few)
