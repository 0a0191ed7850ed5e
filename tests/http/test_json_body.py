"""All endpoints that take JSON read it by the same rules."""

from typing import Any

import pytest

from tests.conftest import Service

GOOD = {
    ("POST", "/predict"): b'{"instances": [[0.5, 0.5, 0.5]]}',
    ("POST", "/train"): b'{"dataset": {"size": 2000}, "epochs": 1}',
    ("PUT", "/models/triples/cross/serving"): b'{"version": 1}',
}

MARK = "\ufeff".encode()


def ask(service: Service, endpoint: tuple[str, str], body: bytes, content_type: str | None) -> Any:
    headers = {} if content_type is None else {"Content-Type": content_type}
    return service.client.request(*endpoint, content=body, headers=headers)


@pytest.mark.parametrize("endpoint", GOOD, ids=lambda endpoint: endpoint[1])
@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON ;charset=utf-8", 'application/json; charset="UTF-8"'],
)
def test_a_byte_order_mark_is_passed_over(
    service: Service, trained: Any, endpoint: tuple[str, str], content_type: str
) -> None:
    for body in (GOOD[endpoint], MARK + GOOD[endpoint]):
        response = ask(service, endpoint, body, content_type)
        assert response.is_success, response.text
        if endpoint[1] == "/train":
            service.client.post(f"{response.headers['location']}/cancel")


NOT_JSON = [
    b" ",
    MARK,
    MARK + MARK + b"{}",
    *('{"version": 1}'.encode(coding) for coding in ("utf-16", "utf-16-be", "utf-32", "utf-32-le")),
    b"{'version': 1}",
    b'{"version": 1,}',
    b'{"version": 01}',
    b'{"\xff": 1}',
    b'{"version": 1',
    b"\x1f\x8b",
]


@pytest.mark.parametrize("body", NOT_JSON)
def test_what_is_not_json_in_utf_8_is_refused_by_all(service: Service, body: bytes) -> None:
    for endpoint in GOOD:
        response = ask(service, endpoint, body, "application/json")
        assert response.status_code == 400, (endpoint, response.text)
        assert response.json()["detail"].startswith("the body is not JSON: ")


ODD = [
    b"null",
    b"[]",
    b'{"version": NaN, "epochs": NaN, "instances": NaN}',
    b'{"version": 1e999, "epochs": 1e999, "instances": 1e999}',
    b'{"version": %s, "epochs": 1}' % (b"9" * 4000),
    b'{"version": %s, "epochs": 1}' % (b"9" * 9000),
    b'{"model": "\\ud800", "version": "\\ud800", "preset": "\\ud800"}',
    b'{"version": 1, "epochs": 1, "version": 0, "epochs": 0}',
    b"[" * 30_000,
    b'{"version": ' + b"[" * 30_000,
    b'{"version":' + b'{"epochs":' * 5000 + b"1" + b"}" * 5001,
    b'"' + b"\\u0000" * 9000 + b'"',
]


@pytest.mark.parametrize("body", ODD, ids=lambda body: str(body[:40]))
def test_what_cannot_be_meant_is_refused_by_all(service: Service, body: bytes) -> None:
    for endpoint in GOOD:
        response = ask(service, endpoint, body, "application/json")
        assert response.status_code in (400, 422), (endpoint, response.text)
        assert response.headers["content-type"] == "application/problem+json"


def test_a_number_that_is_too_large_is_named(service: Service) -> None:
    body = b'{"optimizer": {"learning_rate": 1e999}}'
    response = ask(service, ("POST", "/train"), body, "application/json")
    assert response.status_code == 422
    assert response.json()["detail"].startswith("optimizer.learning_rate: ")


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "application/vnd.x+json",
        "application/json, application/json",
        "application/json; charset=iso-8859-1",
    ],
)
def test_who_does_not_say_it_is_json_is_told_what_to_send(
    service: Service, content_type: str | None
) -> None:
    for endpoint, body in GOOD.items():
        response = ask(service, endpoint, body, content_type)
        assert response.status_code == 415, (endpoint, response.text)
        detail = response.json()["detail"]
        if content_type and "charset" in content_type:
            assert detail == 'JSON must be UTF-8; received "iso-8859-1"'
        else:
            assert "send the header `Content-Type: application/json`" in detail
            assert (content_type or "none") in detail


def test_an_empty_body_needs_no_content_type(service: Service) -> None:
    response = service.client.post("/train")
    assert response.status_code == 202
    service.client.post(f"{response.headers['location']}/cancel")
    for endpoint, status in (
        (("POST", "/predict"), 415),
        (("PUT", "/models/triples/cross/serving"), 422),
    ):
        assert ask(service, endpoint, b"", None).status_code == status
