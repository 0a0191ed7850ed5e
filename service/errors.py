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
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

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


Reason = Literal[
    "bad_request",
    "unauthorized",
    "forbidden",
    "not_found",
    "method_not_allowed",
    "too_slow",
    "conflict",
    "too_large",
    "headers_too_large",
    "unsupported_media_type",
    "invalid",
    "queue_full",
    "fault",
    "not_implemented",
    # Why the service is unavailable.
    "busy",
    "connections",
    "database",
    "disk",
    "event_streams",
    "large_requests",
    "processes",
    "store",
    "uploads",
    "unavailable",
]
"""A word for why a request was refused, by which refusals are counted."""


class CrosscheckError(Exception):
    """The base of what is refused; `status` is that of the response."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    reason: Reason = "fault"

    def __init__(
        self, detail: str, headers: dict[str, str] | None = None, reason: Reason | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}
        self.reason = reason or self.reason


class BadRequest(CrosscheckError):
    status = HTTPStatus.BAD_REQUEST
    reason: Reason = "bad_request"


class Unauthorized(CrosscheckError):
    status = HTTPStatus.UNAUTHORIZED
    reason: Reason = "unauthorized"


class Forbidden(CrosscheckError):
    status = HTTPStatus.FORBIDDEN
    reason: Reason = "forbidden"


class NotFound(CrosscheckError):
    status = HTTPStatus.NOT_FOUND
    reason: Reason = "not_found"


class Conflict(CrosscheckError):
    status = HTTPStatus.CONFLICT
    reason: Reason = "conflict"


class TooLarge(CrosscheckError):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    reason: Reason = "too_large"


class UnsupportedMediaType(CrosscheckError):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    reason: Reason = "unsupported_media_type"


class Invalid(CrosscheckError):
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    reason: Reason = "invalid"


class QueueFull(CrosscheckError):
    status = HTTPStatus.TOO_MANY_REQUESTS
    reason: Reason = "queue_full"


class Unavailable(CrosscheckError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    reason: Reason = "unavailable"


FAULT = CrosscheckError("a fault of the service; it is logged")

Refuse = Callable[[int, str, dict[str, str] | None], Response]
"""Words a refusal: of its status, its detail and its headers."""


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


def of_disk(error: OSError) -> Unavailable:
    """The refusal where a disk does not do its part."""
    detail = f"the artifacts folder cannot be used: {error.strerror or type(error).__name__}"
    return Unavailable(detail, RETRY_LATER, "disk")


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


def install(app: "FastAPI", refusing: Callable[[str], Refuse]) -> None:
    """Makes `app` answer each of its errors as is usual at the path: `refusing` says how."""
    from fastapi.exceptions import RequestValidationError

    def answer(request: Request, error: CrosscheckError) -> Response:
        request.scope["reason"] = error.reason
        return refusing(request.scope["path"])(error.status, error.detail, error.headers)

    async def refuse(request: Request, error: Exception) -> Response:
        return answer(request, error if isinstance(error, CrosscheckError) else FAULT)

    async def refuse_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == HTTPStatus.NO_CONTENT:  # no refusal, but it has no body, either
            return Response(status_code=error.status_code, headers=error.headers)
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(sorted(_methods(app, request.scope)))
        return refusing(request.scope["path"])(error.status_code, str(error.detail), headers)

    async def refuse_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return answer(request, _invalid(error))

    async def refuse_disk(request: Request, error: Exception) -> Response:
        assert isinstance(error, OSError)
        logger.error("%s %s: %s", request.method, request.url.path, error)
        return answer(request, of_disk(error))

    app.add_exception_handler(CrosscheckError, refuse)
    app.add_exception_handler(HTTPException, refuse_http)
    app.add_exception_handler(RequestValidationError, refuse_invalid)
    app.add_exception_handler(OSError, refuse_disk)
    app.add_exception_handler(Exception, refuse)


def _methods(app: "FastAPI", scope: Scope) -> set[str]:
    """What a path may be asked with: each of its routes knows only of its own method."""
    from fastapi.routing import iter_route_contexts

    path = getattr(scope.get("route"), "path", scope["path"])
    routes = [route for route in iter_route_contexts(app.routes) if route.path == path]
    methods = {method for route in routes for method in route.methods or ()}
    return methods | ({"HEAD"} if "GET" in methods else set())


def _invalid(error: "RequestValidationError") -> Invalid:
    first: dict[str, Any] = error.errors()[0]
    kind, *location = first["loc"]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] not in {"missing", "value_error"}:
        message += f", received {excerpt(first['input'])}"
    place = element(location) or f"the {kind}"
    return Invalid(f"{place}: {message}")
