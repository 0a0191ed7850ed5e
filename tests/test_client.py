import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.utils import formatdate
from typing import Any

import pytest

from service import client
from service.client import (
    Client,
    Failed,
    KeyRefused,
    Refused,
    back_off,
    events,
    key_from_environment,
    retry_after,
    without_password,
)
from tests.conftest import Service
from tests.scripted import Answer, Scripted, document, problem, scripted, stream

NOTHING = Answer(None)
FINE = document({"fine": True})


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(client, "LONGEST_PAUSE_SECONDS", 0.001)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """For how long it would have waited."""
    pauses: list[float] = []
    monkeypatch.setattr("service.client.time.sleep", pauses.append)
    return pauses


@contextmanager
def asking(*answers: Answer, **given: Any) -> Iterator[tuple[Scripted, Client]]:
    """A server that gives these answers, and a client of it."""
    with scripted(*answers) as server, closing(Client(server.url, **given)) as service:
        yield server, service


@pytest.mark.parametrize("failure", [NOTHING, problem(503, "busy"), problem(502, "no upstream")])
def test_what_fails_for_now_is_asked_again_with_the_same_headers_and_body(failure: Answer) -> None:
    with asking(failure, failure, FINE) as (server, service):
        assert service.post("/train", {"epochs": 3}, {"Idempotency-Key": "one"}) == {"fine": True}
    assert {(each.headers["idempotency-key"], each.body) for each in server.asked} == {
        ("one", b'{"epochs": 3}')
    }
    assert len(server.asked) == 3


def test_it_is_not_asked_without_end() -> None:
    with (
        asking(problem(503, "busy")) as (server, service),
        pytest.raises(Refused, match=r"^busy$"),
    ):
        service.get("/jobs")
    assert len(server.asked) == client.TRIES


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422, 500])
def test_what_would_be_refused_again_is_asked_once(status: int) -> None:
    with (
        asking(problem(status, "it is so")) as (server, service),
        pytest.raises(Refused, match=r"^it is so$") as refused,
    ):
        service.post("/jobs/1/cancel")
    assert refused.value.status == status
    assert len(server.asked) == 1


def test_it_waits_as_it_is_told_to_and_says_so(slept: list[float]) -> None:
    told: list[str] = []
    busy = problem(429, "the queue is full", Retry_After="7")
    with asking(*[busy] * 5, FINE, tell=told.append) as (_, service):
        assert service.get("/jobs") == {"fine": True}
    assert slept == [7.0] * 5
    assert told == ["the queue is full; asking again in 7.0 s"] * 5


def test_its_patience_ends_after_two_minutes_in_all(slept: list[float]) -> None:
    with (
        asking(problem(429, "full", Retry_After="50")) as (_server, service),
        pytest.raises(Refused, match="full"),
    ):
        service.get("/jobs")
    assert slept == [50.0, 50.0]


@pytest.mark.parametrize("header", ["3600", "inf", "nan", "1e999"])
def test_it_does_not_wait_for_longer(header: str, slept: list[float]) -> None:
    with (
        asking(problem(503, "later", Retry_After=header)) as (_server, service),
        pytest.raises(Refused, match="later"),
    ):
        service.get("/jobs")
    assert slept == []


@pytest.mark.parametrize("header", [None, "", "soon", "Mon, 99 Foo"])
def test_what_tells_no_time_is_none(header: str | None) -> None:
    assert retry_after(header) is None


def test_a_time_may_be_a_date() -> None:
    seconds = retry_after(formatdate(time.time() + 60, usegmt=True))
    assert seconds is not None
    assert 50 < seconds < 61


def test_pauses_grow_up_to_a_bound_and_are_not_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    for failures, longest in ((1, 0.5), (2, 1.0), (3, 2.0), (100, 8.0)):
        pauses = {back_off(failures) for _ in range(100)}
        assert 0.75 * longest <= min(pauses) < max(pauses) <= longest


def test_what_cannot_be_sent_twice_is_not() -> None:
    once: Iterator[bytes] = iter([b"a", b"b"])
    for failure in (NOTHING, problem(503, "busy", Retry_After="0")):
        with (
            asking(failure, FINE) as (server, service),
            pytest.raises(Failed),
        ):
            service.send("PUT", "/datasets/a", content=lambda: once, tries=1)
        assert len(server.asked) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_is_an_error_of_its_own(status: int) -> None:
    with (
        asking(problem(status, "the key is not known"), key="k" * 16) as (server, service),
        pytest.raises(KeyRefused) as refused,
    ):
        service.get("/jobs")
    assert server.asked[0].headers["x-api-key"] == "k" * 16
    assert "kkkk" not in str(refused.value)


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSCHECK_API_KEY", " 0123456789abcdef\n")
    assert key_from_environment() == "0123456789abcdef"
    monkeypatch.setenv("CROSSCHECK_API_KEY", "")
    assert key_from_environment() is None


@pytest.mark.parametrize("key", ["geheim\nX-Evil: 1", "geheim\u00fc", "ge heim"])
def test_what_can_be_no_key_is_refused_without_being_shown(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSCHECK_API_KEY", key)
    with pytest.raises(KeyRefused) as refused:
        key_from_environment()
    assert "heim" not in str(refused.value)


def test_a_page_of_a_proxy_is_told_by_its_status() -> None:
    page = Answer(413, {"Content-Type": "text/html"}, b"<h1>too large</h1>\n" * 9)
    with (
        asking(page) as (_server, service),
        pytest.raises(Refused, match=r"^413 Request Entity Too Large$"),
    ):
        service.get("/jobs")


def test_a_redirection_is_told_and_the_key_is_sent_nowhere_else() -> None:
    with scripted(FINE) as elsewhere:
        moved = Answer(307, {"Location": elsewhere.url})
        with (
            asking(moved, key="k" * 16) as (_server, service),
            pytest.raises(Refused, match=elsewhere.url),
        ):
            service.get("/jobs")
    assert elsewhere.asked == []


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"\xff", b""])
def test_what_is_no_crosscheck_service_is_told(body: bytes) -> None:
    with asking(Answer(200, {}, body)) as (_server, service):
        with pytest.raises(Failed, match="something else than a Crosscheck service"):
            service.get("/jobs")
        with pytest.raises(Failed, match="something else than a Crosscheck service"):
            next(service.events("1"))


def test_pages_follow_one_another() -> None:
    first = document({"jobs": [{"id": 1}, {"id": 2}], "next_cursor": "a~b"})
    last = document({"jobs": [{"id": 3}], "next_cursor": None})
    with asking(first, last) as (server, service):
        assert [job["id"] for job in service.pages("/jobs", "jobs", status=None, limit=2)] == [
            *(1, 2, 3)
        ]
    assert [each.path for each in server.asked] == ["/jobs?limit=2", "/jobs?limit=2&cursor=a~b"]


def event(name: str, identifier: str, status: str) -> list[str]:
    return [
        f"event: {name}",
        f"data: {json.dumps({'status': status})}",
        f"id: {identifier}",
        "",
        "",
    ]


@pytest.mark.parametrize("broken", [False, True], ids=["ended", "broken"])
def test_it_comes_back_to_a_stream_with_what_it_has_had(broken: bool) -> None:
    first = stream(": ping", "", *event("progress", "one", "running"), broken=broken)
    last = stream(*event("end", "two", "succeeded"))
    with asking(first, NOTHING, last) as (server, service):
        assert [job["status"] for job in service.events("1")] == ["running", "succeeded"]
    had = [each.headers.get("last-event-id") for each in server.asked]
    assert had == [None, "one", "one"]


def test_nothing_is_left_to_tell_of_a_job_whose_end_was_told() -> None:
    first = stream(*event("progress", "one", "running"))
    with asking(first, Answer(204)) as (_server, service):
        assert len([*service.events("1")]) == 1


def test_a_stream_that_is_refused_is_not_asked_for_again() -> None:
    with (
        asking(problem(404, "there is no job 1")) as (server, service),
        pytest.raises(Refused, match="there is no job 1"),
    ):
        next(service.events("1"))
    assert len(server.asked) == 1


def test_events_are_split_at_new_lines_alone_however_they_arrive() -> None:
    text = "event: end\r\ndata: {\u2028\ndata:\u0085}\nid: 7\r\n\r\nid: 8\n\n: ping\n\ndata: cut"
    pieces = [bytes([byte]) for byte in text.encode()]
    ((name, identifier, data),) = events(pieces)
    assert (name, identifier, data) == ("end", "7", "{\u2028\n\u0085}")


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://a", "http://x:y", "http://127.0.0.1:0"])
def test_what_cannot_be_asked_is_one_plain_line(url: str) -> None:
    with pytest.raises(Failed) as failed:
        Client(url).get("/jobs")
    assert str(failed.value).startswith(f"'{url}' cannot be asked: ")
    assert "\n" not in str(failed.value)


def test_no_password_is_shown() -> None:
    assert without_password("http://me:secret@host:1/a@b") == "http://host:1/a@b"
    with pytest.raises(Failed) as failed:
        Client("http://me:secret@127.0.0.1:0").get("/jobs")
    assert "secret" not in str(failed.value)


def test_parts_of_a_path_stay_parts(service: Service) -> None:
    with closing(Client(str(service.client.base_url))) as asked:
        for name in ("../livez", "a/b", "a?b", "\u00fc", "%2e"):
            with pytest.raises(Refused):
                asked.get(client.path_of("datasets", name))
