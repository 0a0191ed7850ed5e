"""Heads of requests, with raw sockets to a running service."""

import json
from collections.abc import Iterator

import pytest

from service.http.request_head import Refused, checked
from tests.conftest import Service, running
from tests.http.raw import BODY, JSON, LAST, ask, request, statuses

GET = request("GET /livez")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Of its own, for what it must not have in its log."""
    with running(tmp_path_factory.mktemp("heads"), "--no-worker") as own:
        yield own
        assert "Traceback" not in own.log.read_text()
        assert " WARNING " not in own.log.read_text()


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        ["localhost", "localhost"],
        ["localhost", "example.org"],
        *(["local host"], ["localhost/a"], ["a@localhost"], ["localhost:80a"], ["[::1"], ["::1"]),
        ["localhost, example.org"],
    ],
    ids=str,
)
def test_a_request_names_one_host(service: Service, hosts: list[str]) -> None:
    headers = [f"Host: {host}" for host in hosts]
    (refused,) = ask(service, request("GET /livez", *headers, host=None) + LAST)
    assert refused.status == 400
    assert "Host" in json.loads(refused.body)["detail"]
    assert refused.headers["connection"] == "close"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1:80", "[::1]:8000", "localhost:", ""]
)
def test_hosts_are_spelled_in_many_ways(service: Service, host: str) -> None:
    assert statuses(service, request("GET /livez", host=host) + LAST) == [200, 200]


def test_old_clients_need_no_host(service: Service) -> None:
    assert statuses(service, request("GET /livez HTTP/1.0", host=None)) == [200]
    assert statuses(service, request("GET http://localhost/livez HTTP/1.0", host=None)) == [200]


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://localhost/models", "localhost", 200),
        ("http://localhost:8000/jobs?limit=5", "localhost", 200),
        ("http://127.0.0.1/models", "example.org", 200),
        ("http://example.org/models", "localhost", 403),
        ("HTTP://localhost/models", "localhost", 200),
        ("http://localhost", "localhost", 200),
        ("http://localhost?limit=5", "localhost", 200),
        ("http://localhost/models", None, 400),
        ("http://a@localhost/models", "localhost", 400),
        ("http:///models", "localhost", 400),
        ("ftp://localhost/models", "localhost", 400),
        ("models", "localhost", 400),
        ("//localhost/models", "localhost", 404),
        ("*", "localhost", 404),
    ],
)
def test_the_host_of_a_whole_url_counts(
    service: Service, target: str, host: str | None, status: int
) -> None:
    asked = request(f"GET {target}", "Connection: close", host=host)
    assert statuses(service, asked) == [status]


def test_of_what_is_said_twice_neither_counts_alone(service: Service) -> None:
    types = request("POST /predict", JSON, "Content-Type: application/x-npy", body=BODY)
    names = request("GET /livez", "X-Request-Id: a", "X-Request-Id: b", "Connection: close")
    mistyped, named = ask(service, types + names)
    assert mistyped.status == 415
    assert named.headers["x-request-id"] not in {"a", "b"}
    origins = ("Origin: http://localhost", "Origin: https://example.org")
    assert statuses(service, request("POST /train", *origins, "Connection: close")) == [403]
    keys = ("Idempotency-Key: a b", "Idempotency-Key: c")
    (accepted,) = ask(service, request("POST /train", *keys, "Connection: close"))
    (repeated,) = ask(
        service, request("POST /train", "Idempotency-Key: a b, c", "Connection: close")
    )
    assert accepted.body == repeated.body


def test_headers_that_come_twice_are_joined() -> None:
    headers = [(b"accept", b"text/csv"), (b"host", b"a"), (b"accept", b"*/*")]
    assert checked(b"/a", "1.1", headers) == b"/a"
    assert headers == [(b"accept", b"text/csv, */*"), (b"host", b"a")]


CHUNKED = "Transfer-Encoding: chunked"
AMBIGUOUS = {
    "length and chunks": ("POST /train", ("Content-Length: 5", CHUNKED), 400),
    "two lengths": ("POST /train", ("Content-Length: 5", "Content-Length: 5"), 400),
    "lengths": ("POST /train", ("Content-Length: 5, 5",), 400),
    "no length": ("POST /train", ("Content-Length: -1",), 400),
    "huge length": ("POST /train", ("Content-Length: 99999999999999999999999",), 400),
    "gzip": ("POST /train", ("Transfer-Encoding: gzip, chunked",), 501),
    "identity": ("POST /train", ("Transfer-Encoding: identity",), 501),
    "chunks twice": ("POST /train", (CHUNKED, CHUNKED), 400),
    "chunks of old": ("POST /train HTTP/1.0", (CHUNKED,), 400),
    "folded": ("GET /livez", ("X-Folded: a\r\n b",), 400),
    "space": ("GET /livez", ("X-Space : a",), 400),
    "bare CR": ("GET /livez", ("X-Bare: a\rb",), 400),
    "bare LF": ("GET /livez", ("X-Bare: a\nb: c",), 400),
    "lower case": ("get /livez", (), 400),
    "unknown method": ("FETCH /livez", (), 400),
    "no such version": ("GET /livez HTTP/1.2", (), 400),
    "HTTP/2": ("GET /livez HTTP/2.0", (), 505),
    "HTTP/0.9": ("GET /livez HTTP/0.9", (), 505),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_what_may_be_read_in_two_ways_is_refused(service: Service, name: str) -> None:
    line, headers, status = AMBIGUOUS[name]
    (refused,) = ask(service, request(line, *headers) + b"5\r\nabcde\r\n0\r\n\r\n" + LAST)
    assert refused.status == status
    assert refused.headers["content-type"] == "application/problem+json"


def test_a_body_may_come_where_none_is_read(service: Service) -> None:
    assert statuses(service, request("GET /livez", body=GET) + LAST) == [200, 200]
    assert statuses(service, request("OPTIONS /livez", body=GET) + LAST) == [405, 200]


def test_a_target_with_strange_bytes_is_refused_and_not_a_fault() -> None:
    for target in (b"http://[::1/", b"http://\xe9/", b"http://a\\b/", b"http://a b/"):
        with pytest.raises(Refused):
            checked(target, "1.1", [(b"host", b"localhost")])
