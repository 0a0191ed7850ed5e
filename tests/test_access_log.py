import json

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from service.access_log import AccessLog


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


def client(log: AccessLog) -> httpx.AsyncClient:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await log(hello, scope, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


@pytest.mark.anyio
async def test_a_request_id_is_echoed_and_logged() -> None:
    log = AccessLog(enabled=True)
    response = await client(log).get("/x", headers={"X-Request-Id": "abc-1"})
    assert response.headers["x-request-id"] == "abc-1"
    (line,) = log.take().splitlines()
    logged = json.loads(line)
    assert logged["request_id"] == "abc-1"
    assert (logged["method"], logged["path"], logged["status"]) == ("GET", "/x", 200)
    assert logged["milliseconds"] >= 0


@pytest.mark.anyio
@pytest.mark.parametrize("harmful", ["", "a b", "x" * 129, 'a"b', "a\tb"])
async def test_an_id_that_could_do_harm_is_replaced(harmful: str) -> None:
    responses = [
        await client(AccessLog(enabled=True)).get("/", headers={"X-Request-Id": harmful})
        for _ in range(2)
    ]
    first, second = (response.headers["x-request-id"] for response in responses)
    assert harmful != first != second


@pytest.mark.anyio
async def test_no_path_can_forge_a_line() -> None:
    log = AccessLog(enabled=True)
    await client(log).get('/%0a{"status":500}%1b[31m')
    (line,) = log.take().splitlines()
    assert json.loads(line)["path"] == '/\n{"status":500}\x1b[31m'
    assert b"\x1b" not in line


@pytest.mark.anyio
async def test_the_log_can_be_turned_off() -> None:
    log = AccessLog(enabled=False)
    response = await client(log).get("/")
    assert log.take() == b""
    assert response.headers["x-request-id"]
