"""Where answers end, with raw sockets to a running service."""

from collections.abc import Iterator

import pytest

from tests.conftest import Service, running
from tests.http.raw import BODY, JSON, LAST, ask, connect, read_all, read_one, request, statuses

EXPECT = "Expect: 100-continue"
KEY = "X-API-Key: 0123456789abcdef-predict"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    keys = "a:predict:0123456789abcdef-predict"
    with running(tmp_path_factory.mktemp("guarded"), "--no-worker", api_keys=keys) as service:
        yield service


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        ("POST /predict", (JSON, "Content-Length: 999999999"), 413),
        ("POST /predict", ("Content-Type: text/plain", "Content-Length: 9"), 415),
        ("POST /train", ("Content-Type: text/csv", "Content-Length: 9"), 415),
        ("POST /train", (JSON, "Content-Length: 999999999"), 413),
        ("POST /nowhere", (JSON, "Content-Length: 9"), 404),
        ("POST /models", (JSON, "Transfer-Encoding: chunked"), 405),
        ("GET /models", (JSON, "Content-Length: 9"), 200),
    ],
)
def test_a_body_is_not_invited_where_the_head_decides(
    service: Service, line: str, headers: tuple[str, ...], status: int
) -> None:
    (refused,) = ask(service, request(line, EXPECT, *headers))
    assert refused.status == status
    assert refused.headers["connection"] == "close"


def test_a_body_is_not_invited_without_a_key(guarded: Service) -> None:
    for path in ("/predict", "/train"):
        head = request(f"POST {path}", JSON, EXPECT, "Content-Length: 9")
        assert statuses(guarded, head) == [401]
    assert statuses(guarded, request("POST /train", KEY, JSON, EXPECT, "Content-Length: 9")) == [
        403
    ]


@pytest.mark.parametrize("path", ["/predict", "/train"])
def test_a_welcome_body_is_invited(service: Service, path: str) -> None:
    with connect(service) as connection:
        for _ in range(2):
            connection.sendall(
                request(f"POST {path}", JSON, EXPECT, f"Content-Length: {len(BODY)}")
            )
            assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(BODY)
            assert read_one(connection).status == 422


def test_who_does_not_wait_for_the_invitation_is_answered_as_well(service: Service) -> None:
    asked = request("POST /nowhere", EXPECT, body=BODY)
    assert statuses(service, asked + LAST) == [404, 200]


def test_nobody_is_invited_who_has_nothing_to_send(service: Service) -> None:
    for none in ((), ("Content-Length: 0",)):
        asked = request("POST /predict", JSON, EXPECT, *none)
        assert statuses(service, asked + LAST) == [400, 200]


def test_old_clients_and_other_expectations_get_no_invitation(service: Service) -> None:
    old = request("POST /predict HTTP/1.0", JSON, EXPECT, body=BODY)
    assert statuses(service, old) == [422]
    other = request("POST /predict", JSON, "Expect: a-prediction", body=BODY)
    assert statuses(service, other + LAST) == [422, 200]


def test_a_body_that_is_too_large_is_refused_before_it_comes(service: Service) -> None:
    head = request("POST /predict", JSON, "Content-Length: 999999999")
    with connect(service) as connection:
        connection.sendall(head)
        assert read_one(connection).status == 413


def test_an_answer_to_an_old_client_ends_with_the_connection(service: Service) -> None:
    path = f"/jobs/{service.train(epochs=1, dataset={'size': 10})}"
    service.wait_for(path.removeprefix("/jobs/"))
    (stream,) = ask(service, request(f"GET {path}/events HTTP/1.0"))
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert "transfer-encoding" not in stream.headers
    assert stream.headers["connection"] == "close"
    assert stream.body.startswith(b"event: end")
    (job,) = ask(service, request(f"GET {path} HTTP/1.0"))
    assert int(job.headers["content-length"]) == len(job.body)


def test_a_stream_to_others_is_chunked(service: Service) -> None:
    path = f"/jobs/{service.train(epochs=1, dataset={'size': 10})}"
    service.wait_for(path.removeprefix("/jobs/"))
    with connect(service) as connection:
        connection.sendall(request(f"GET {path}/events", "Connection: close"))
        answer = read_all(connection)
    assert b"transfer-encoding: chunked" in answer
    assert answer.endswith(b"0\r\n\r\n")
