"""A span for each request."""

from collections.abc import Callable
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access_log import PATH_LENGTH
from service.tracing import Tracing


class RequestSpans:
    """Wraps an application: a request is a span, below the one that its `traceparent` names.

    Its own name is in its scope, as `traceparent`.
    """

    def __init__(self, tracing: Tracing, template_at: Callable[[str], str]) -> None:
        self._tracing = tracing
        self._template_at = template_at

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"][:PATH_LENGTH]
        route = self._template_at(path)
        about = {"http.request.method": method, "http.route": route, "url.path": path}
        given = dict(scope["headers"]).get(b"traceparent", b"").decode("latin-1")
        span = self._tracing.begin(f"{method} {route}", about, "server", above=given)
        scope["traceparent"] = span.traceparent

        async def send_and_tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                status, identity = message["status"], dict(message["headers"])[b"x-request-id"]
                span.tell({"http.response.status_code": status})
                span.tell({"crosscheck.request_id": identity.decode()})
                if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    span.fail(scope.get("reason") or HTTPStatus(status).phrase)
            await send(message)

        try:
            await app(scope, receive, send_and_tell)
        finally:
            if reason := scope.get("reason"):
                span.tell({"error.type": reason})
            span.end()
