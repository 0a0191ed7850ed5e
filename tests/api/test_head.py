"""`HEAD` and `Allow`, on a running service."""

from typing import Any

from tests.conftest import LONG, Service
from tests.http.raw import LAST, ask, connect, parse, read_all, request

OWN = {"date", "x-request-id"}
"""Headers that differ from answer to answer."""

CHANGING = ("/readyz", "/monitoring/prometheus/metrics")
"""What may be longer or shorter the next time."""


def paths(service: Service, job: dict[str, Any]) -> list[str]:
    """All that may be asked for with GET."""
    known = service.get("/openapi.json")["paths"]
    values = {"{job_id}": job["id"], "{dataset}": "triples", "{network}": "cross", "{number}": "1"}
    values |= {"{name}": "triples", "{model}": "cross", "{version}": "1", "{label}": "serving"}
    found = [path for path, methods in known.items() if "get" in methods]
    for name, value in values.items():
        found = [path.replace(name, value) for path in found]
    assert not [path for path in found if "{" in path]
    return [*found, "/docs", "/openapi.json", "/nowhere", f"{found[0]}/nowhere"]


def test_head_is_get_without_the_body(service: Service, trained: dict[str, Any]) -> None:
    for path in paths(service, trained):
        whole = service.client.get(path)
        head = service.client.head(path)
        assert head.status_code == whole.status_code, path
        assert {*head.headers} == {*whole.headers} - {"transfer-encoding"}, path
        for name in {*head.headers} - OWN - ({"content-length"} if path in CHANGING else set()):
            assert head.headers[name] == whole.headers[name], (path, name)
        assert head.content == b""


def test_nothing_comes_behind_the_head(service: Service, trained: dict[str, Any]) -> None:
    asked = request("HEAD /models") + request(f"HEAD /jobs/{trained['id']}/events") + LAST
    with connect(service) as connection:
        connection.sendall(asked)
        answers = read_all(connection)
    assert answers.count(b"HTTP/1.1 200 OK") == 3
    assert b"\r\n\r\nHTTP/1.1 200 OK" in answers
    assert parse(b"HTTP/1.1 " + answers.split(b"HTTP/1.1 ")[-1])[0].body == b'{"status":"ok"}'


def test_head_of_an_endless_stream_ends(service: Service) -> None:
    job_id = service.train(**LONG)
    for _ in range(200):  # more than may be open at once
        response = service.client.head(f"/jobs/{job_id}/events")
        assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    service.client.post(f"/jobs/{job_id}/cancel")
    service.wait_for(job_id)


def test_head_of_an_endless_stream_ends_for_old_clients_too(service: Service) -> None:
    job_id = service.train(**LONG)
    (head,) = ask(service, request(f"HEAD /jobs/{job_id}/events HTTP/1.0"))
    assert (head.status, head.body) == (200, b"")
    service.client.post(f"/jobs/{job_id}/cancel")
    service.wait_for(job_id)


def test_head_is_allowed_wherever_get_is(service: Service) -> None:
    for path in ("/livez", "/models", "/docs", "/openapi.json"):
        response = service.client.delete(path)
        assert response.status_code == 405
        assert {*response.headers["allow"].split(", ")} == {"GET", "HEAD"}
        assert response.headers["allow"].count("HEAD") == 1
    for path in ("/predict", "/train"):
        response = service.client.head(path)
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"


def test_the_access_log_says_head(service: Service) -> None:
    service.client.head("/livez", headers={"X-Request-Id": "only-the-head"})
    line = '"request_id":"only-the-head","client":"127.0.0.1","key":null,"method":"HEAD"'
    service.until(lambda: line in service.log.read_text())
