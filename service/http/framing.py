"""Where an answer ends, for those few requests of which uvicorn does not know it."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


def closing_if_uninvited(app: ASGIApp, cycle: RequestResponseCycle) -> ASGIApp:
    """For a body that waits for `100 Continue`: with an answer instead it may never come."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_or_close(message: Message) -> None:
            if cycle.waiting_for_100_continue and cycle.more_body:
                cycle.keep_alive = False
            await send(message)

        await app(scope, receive, send_or_close)

    return answer


def without_chunks(app: ASGIApp, cycle: RequestResponseCycle) -> ASGIApp:
    """For HTTP/1.0: an answer of unknown length ends with the connection."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        is_unknown = False

        async def send_plainly(message: Message) -> None:
            nonlocal is_unknown
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message["headers"]}
                is_unknown = b"content-length" not in names
                if is_unknown:
                    cycle.chunked_encoding = False
            elif is_unknown:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_plainly)

    return answer
