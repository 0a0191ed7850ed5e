"""Endpoints whose bodies are read by the rules of `POST /predict`."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from service.errors import BadRequest
from service.http import content_coding, json_body


class JsonRoute(APIRoute):
    """Decodes and reads a body before FastAPI looks at it, which has other rules."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def read_and_handle(request: Request) -> Response:
            return await handle(await _read(request))

        return read_and_handle


class _ReadRequest(Request):
    """A request whose body is empty or stands for `value`."""

    value: Any = None

    async def json(self) -> Any:
        return self.value


async def _read(request: Request) -> Request:
    content_type = request.headers.get("content-type", "")
    if request.headers.get("content-length", "0") != "0":  # before it is invited
        json_body.check_content_type(content_type)
    receive = request.receive
    if coding := request.headers.get("content-encoding"):
        most = request.app.max_body_size
        receive = content_coding.decoded(coding.encode("latin-1"), receive, most)
    read = _ReadRequest(request.scope, receive)
    try:
        body = await read.body()
    except ClientDisconnect:
        raise BadRequest("the client went away") from None
    if body:
        json_body.check_content_type(content_type)
        read.value = json_body.read(body)
    return read
