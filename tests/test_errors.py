"""Errors repeat no more of a request than a short, printable piece."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from service.errors import EXCERPT_LENGTH, element, excerpt, printable
from tests.conftest import Service

LONG = "forged\n\x1b[31m\u2028" + "x" * 20_000
QUOTED = quote(LONG)
NESTED: list[Any] = []
for _ in range(900):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    "config",
    [
        {LONG: 1},
        {"epochs": LONG},
        {"epochs": [LONG] * 1000},
        {"epochs": 10**300},
        {"epochs": NESTED},
        {"models": [LONG]},
        {"preset": LONG},
        {"optimizer": {"name": LONG}},
        {"optimizer": {LONG: 1}},
        {"dense": {"hidden_units": [LONG]}},
        LONG,
        [LONG],
        NESTED,
    ],
    ids=lambda config: str(config)[:20].encode("unicode_escape").decode(),
)
@pytest.mark.parametrize("path", ["/train", "/predict"])
def test_a_body_is_not_repeated_whole(
    service: Service, trained: Any, path: str, config: Any
) -> None:
    for body in (config, {"instances": config}, {"instances": [[1, 2, 3]], "model": config}):
        refused(service, "POST", path, json=body)


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("GET", "/jobs", {"params": {"status": LONG}}),
        ("GET", "/jobs", {"params": {"cursor": LONG}}),
        ("GET", "/jobs", {"params": {"limit": LONG}}),
        ("GET", f"/jobs/{QUOTED}", {}),
        ("GET", f"/models/triples/{QUOTED}", {}),
        ("GET", f"/models/triples/cross/versions/{QUOTED}", {}),
        ("GET", f"/{QUOTED}", {}),
        ("GET", "/metrics", {"params": {"job_id": LONG}}),
        ("PUT", "/models/triples/cross/serving", {"json": {"version": LONG}}),
        ("POST", "/train", {"headers": {"Idempotency-Key": "x" * 20_000}}),
        ("POST", "/train", {"content": LONG, "headers": {"Content-Type": "x" * 20_000}}),
        ("POST", "/predict", {"content": LONG, "headers": {"Content-Type": "x" * 20_000}}),
        (
            "POST",
            "/predict",
            {
                "content": b"",
                "params": {"model": LONG, LONG: LONG},
                "headers": {"Content-Type": "application/x-npy"},
            },
        ),
    ],
    ids=lambda value: str(value)[:20].encode("unicode_escape").decode(),
)
def test_no_other_part_of_a_request_is_repeated_whole(
    service: Service, trained: Any, method: str, path: str, more: dict[str, Any]
) -> None:
    refused(service, method, path, **more)


def refused(service: Service, method: str, path: str, **more: Any) -> None:
    response = service.client.request(method, path, **more)
    assert response.headers["content-type"] == "application/problem+json"
    assert 400 <= response.status_code < 500
    detail = response.json()["detail"]
    assert detail.isprintable()
    assert len(detail) <= 500
    assert len(response.content) < 2000
    assert not any("x" * 500 in value for value in response.headers.values())


def test_a_body_that_is_too_large_is_refused_by_a_problem(service: Service) -> None:
    def in_chunks() -> Iterator[bytes]:
        yield from [b" " * 1_000_000] * 20

    for path in ("/train", "/predict"):
        for content in (b" " * 20_000_000, in_chunks()):
            headers = {"Content-Type": "application/json"}
            response = service.client.post(path, content=content, headers=headers)
            assert response.status_code == 413
            assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\nb", '"a\\nb"'),
        ("é", '"\\u00e9"'),
        ([1, {"a": None}], '[1, {"a": null}]'),
        ("x" * 100, '"' + "x" * (EXCERPT_LENGTH - 2) + "…"),
        (NESTED, "[" * (EXCERPT_LENGTH - 1) + "…"),
        (b"\xff", "\"b'\\\\xff'\""),
    ],
    ids=lambda value: str(value)[:9].encode("unicode_escape").decode(),
)
def test_an_excerpt_is_short_and_printable(value: object, shown: str) -> None:
    assert excerpt(value) == shown


def test_only_what_is_shown_of_a_value_is_looked_at() -> None:
    def endless() -> Any:
        raise AssertionError("looked at")

    class Trap(list[Any]):
        def __iter__(self) -> Any:
            yield from ["x" * 100]
            endless()

    assert excerpt(Trap([1])).endswith("…")


@pytest.mark.parametrize("text", ["\x00", "\x7f", "\x9b", "\u2028", "\u202e", "\ud800", "\n"])
def test_what_does_not_print_is_escaped(text: str) -> None:
    assert printable(text, 9) == text.encode("unicode_escape").decode()
    assert element(["a", text, 3]) == f"a.{printable(text, 9)}[3]"
    assert json.loads(json.dumps(printable(text * 100, 50)))[-1] == "…"
