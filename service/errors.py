"""Everything that the service refuses, and the one place that words a refusal.

    CrosscheckError
    ├── BadRequest            400  the body is not what its content type says
    ├── Unauthorized          401  no key, or an unknown one
    ├── Forbidden             403  the key's role is too low
    ├── NotFound              404  no such job, model, version or path
    ├── Conflict              409  not now, in this state
    ├── TooLarge              413  more bytes or rows than the settings allow
    ├── UnsupportedMediaType  415
    ├── Invalid               422  understood, and not allowed
    ├── QueueFull             429  try again later
    └── Unavailable           503  too busy, or the database or the disk does not do its part

Each becomes an `application/problem+json` document (RFC 9457) with one member more, `error`,
which repeats `detail` for clients that look for it.
"""

import json
import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

if TYPE_CHECKING:  # the process that reads an upload refuses, too, and starts without FastAPI
    from fastapi import FastAPI
    from fastapi.exceptions import RequestValidationError

logger = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
EXCERPT_LENGTH = 60
DETAIL_LENGTH = 500
RETRY_AFTER_SECONDS = 5
RETRY_LATER = {"Retry-After": str(RETRY_AFTER_SECONDS)}


class CrosscheckError(Exception):
    """The base of what is refused; `status` is that of the response."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}


class BadRequest(CrosscheckError):
    status = HTTPStatus.BAD_REQUEST


class Unauthorized(CrosscheckError):
    status = HTTPStatus.UNAUTHORIZED


class Forbidden(CrosscheckError):
    status = HTTPStatus.FORBIDDEN


class NotFound(CrosscheckError):
    status = HTTPStatus.NOT_FOUND


class Conflict(CrosscheckError):
    status = HTTPStatus.CONFLICT


class TooLarge(CrosscheckError):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedMediaType(CrosscheckError):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class Invalid(CrosscheckError):
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class QueueFull(CrosscheckError):
    status = HTTPStatus.TOO_MANY_REQUESTS


class Unavailable(CrosscheckError):
    status = HTTPStatus.SERVICE_UNAVAILABLE


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """The problem document for one refusal."""
    detail = printable(detail, DETAIL_LENGTH)
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "error": detail,
    }
    return Response(json.dumps(document), status, headers, media_type=PROBLEM_JSON)


def apology() -> Response:
    """The problem document for a fault of ours."""
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "a fault of the service; it is logged")


def disk_problem(error: OSError) -> Response:
    """The problem document for a disk that does not do its part."""
    detail = f"the artifacts folder cannot be used: {error.strerror or type(error).__name__}"
    return problem(Unavailable.status, detail, RETRY_LATER)


def printable(text: str, length: int) -> str:
    """The first `length` characters of a text, and no others than show: \\n for a new line."""
    shown = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text[: length + 1]
    )
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def excerpt(value: object) -> str:
    """A short, printable piece of what a client sent. No more of it is looked at than is shown."""
    text = ""
    for piece in json.JSONEncoder(default=repr).iterencode(value):
        text += piece
        if len(text) > EXCERPT_LENGTH:
            break
    return printable(text, EXCERPT_LENGTH)


def element(location: Sequence[int | str]) -> str:
    """The place in a document: `("dataset", "size")` is `dataset.size`."""
    named = [part for part in location if not str(part).startswith("<")]  # a tag of a union
    path = "".join(
        f"[{part}]" if isinstance(part, int) else f".{printable(part, EXCERPT_LENGTH)}"
        for part in named
    )
    return path.removeprefix(".")


def install(app: "FastAPI") -> None:
    """Makes `app` answer each of its errors with a problem document."""
    from fastapi.exceptions import RequestValidationError

    async def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, CrosscheckError)
        return problem(error.status, error.detail, error.headers)

    async def refuse_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == HTTPStatus.NO_CONTENT:  # no refusal, but it has no body, either
            return Response(status_code=error.status_code, headers=error.headers)
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(sorted(_methods(app, request.scope)))
        return problem(error.status_code, str(error.detail), headers)

    async def refuse_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _validation_problem(error)

    async def refuse_disk(request: Request, error: Exception) -> Response:
        assert isinstance(error, OSError)
        logger.error("%s %s: %s", request.method, request.url.path, error)
        return disk_problem(error)

    async def refuse_fault(request: Request, error: Exception) -> Response:
        return apology()

    app.add_exception_handler(CrosscheckError, refuse)
    app.add_exception_handler(HTTPException, refuse_http)
    app.add_exception_handler(RequestValidationError, refuse_invalid)
    app.add_exception_handler(OSError, refuse_disk)
    app.add_exception_handler(Exception, refuse_fault)


def _methods(app: "FastAPI", scope: Scope) -> set[str]:
    """What a path may be asked with: each of its routes knows only of its own method."""
    from fastapi.routing import iter_route_contexts

    path = getattr(scope.get("route"), "path", scope["path"])
    routes = [route for route in iter_route_contexts(app.routes) if route.path == path]
    methods = {method for route in routes for method in route.methods or ()}
    return methods | ({"HEAD"} if "GET" in methods else set())


def _validation_problem(error: "RequestValidationError") -> Response:
    first: dict[str, Any] = error.errors()[0]
    kind, *location = first["loc"]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] not in {"missing", "value_error"}:
        message += f", received {excerpt(first['input'])}"
    place = element(location) or f"the {kind}"
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{place}: {message}")
