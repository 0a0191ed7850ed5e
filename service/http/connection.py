"""One connection: HTTP/1.1 as RFC 9112 has it, and within bounds.

uvicorn parses and answers; this refuses what it would let pass, in turn and in the way of any
other answer.
"""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.errors import problem
from service.http.framing import closing_if_uninvited, without_chunks
from service.http.request_head import Refused, awaits_invitation, checked

MAX_HEAD_BYTES = 64 * 1024
"""Of a request's line and headers."""

HEAD_TOO_LARGE = f"the headers are larger than {MAX_HEAD_BYTES} bytes"

MAX_PIPELINED = 100
"""Requests that a connection may send before the first of them is answered."""

GOES_ON = "goes_on"
"""What an application puts into a scope's `state` where a body may come for longer than others."""

PROGRESS_BYTES = 2**20
"""So much of it must come within the time for a request, and as much again after that."""

SILENT_SECONDS = 1.0
"""Who has said nothing for so long counts as idle."""

SPARE_CONNECTIONS = 100
"""Connections beyond the bound that are told so, or answered about our health."""


class _Forgetful(list[tuple[bytes, bytes]]):
    def append(self, header: tuple[bytes, bytes]) -> None:
        pass


TRAILERS = _Forgetful()
"""Where headers go that come after a body. There may be any number of them."""


class BoundedHttp(HttpToolsProtocol):
    """One connection."""

    max_connections: int
    keep_alive_seconds: float
    request_seconds: float
    health: frozenset[str]
    """The paths that are answered beyond the bound on connections, too."""
    refusing: Any
    """Answers with the response that a scope holds as `refusal`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.awaiting_since: float | None = self.loop.time()  # the rest of a request
        self.idle_since: float | None = self.awaiting_since
        self.stuck: tuple[int, float] = (0, 0.0)  # bytes to be sent, and since when so many
        self.in_head = False
        self.head_bytes = 0  # at least so many have come of it
        self.chunk_bytes = 0
        self.progress_bytes = 0
        self.running: RequestResponseCycle | None = None
        self.refused = False
        self.beyond = False
        if len(self.connections) > self.max_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn tells the newest request, which may still wait behind the one that runs.
        self.pipeline.clear()
        if self.running is not None and not self.running.response_complete:
            self.running.disconnected = True
            self.running.message_event.set()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Whether there is still something to say: some clients end their side once they asked."""
        running = self.running
        if self.in_head or running is None or running.response_started or self.cycle.more_body:
            return False  # a stream, above all, ends with its client
        self.cycle.keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        if self.refused:
            return
        went_on = self.in_head
        self.chunk_bytes = len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            cause = error.__context__
            if isinstance(cause, Refused):
                self.refuse(cause.status, cause.detail)
            else:
                self.refuse(400, f"this is not HTTP: {error}")
            return
        self.head_bytes = self.head_bytes + len(data) if went_on and self.in_head else 0
        if self.head_bytes > MAX_HEAD_BYTES:
            self.refuse(431, HEAD_TOO_LARGE)

    def _parse(self, data: bytes) -> None:
        """Parses on. Whoever offers another protocol is answered in this one: RFC 9110, 7.8."""
        rest: bytes | memoryview = data
        while True:
            try:
                return self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as offer:
                behind_head = offer.args[0]
            # That parser has left HTTP. Another one goes on from there, after a head that says
            # the same but for the offer.
            rest = memoryview(rest)[behind_head:]
            head = self._head_without_offer()
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self.parser.feed_data(head)

    def _head_without_offer(self) -> bytes:
        version = self.parser.get_http_version().encode()
        line = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version)
        headers = [header for header in self.headers if header[0] != b"upgrade"]
        return b"".join([line, *(b"%s: %s\r\n" % header for header in headers), b"\r\n"])

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.in_head = True
        self.progress_bytes = 0
        self.awaiting_since = self.loop.time()
        self.idle_since = None

    def on_headers_complete(self) -> None:
        if self.head_bytes + self.chunk_bytes > MAX_HEAD_BYTES < self._size_of_head():
            raise Refused(431, HEAD_TOO_LARGE)
        if len(self.pipeline) >= MAX_PIPELINED:
            raise Refused(400, "too many requests were sent before the first was answered")
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise Refused(501, "this is no proxy")
            return  # ends in `_parse`
        self._check_head()
        self.in_head = False
        super().on_headers_complete()
        self.headers = TRAILERS

    def _check_head(self) -> None:
        version = self.parser.get_http_version()
        self.url = checked(self.url, version, self.headers)
        if self.expect_100_continue:
            self.expect_100_continue = awaits_invitation(version, self.headers)

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self.progress_bytes += len(body)
        if self.progress_bytes >= PROGRESS_BYTES:
            self.progress_bytes = 0
            if self._goes_on():
                self.awaiting_since = self.loop.time()

    def _goes_on(self) -> bool:
        return GOES_ON in self.scope["state"] and not self.cycle.response_complete

    def on_message_complete(self) -> None:
        if self.in_head:
            return  # as in `on_headers_complete`
        self.awaiting_since = None
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.running = cycle
        if self.beyond:
            self.beyond = len(self.connections) > self.max_connections
            if self.beyond and cycle.scope["path"] not in self.health:
                headers = {"Retry-After": "1", "Connection": "close"}
                refusal = problem(503, "too many connections", headers)
                cycle.scope["refusal"] = refusal  # type: ignore[typeddict-unknown-key]
                cycle.scope["reason"] = "connections"  # type: ignore[typeddict-unknown-key]
                app = self.refusing
        if cycle.waiting_for_100_continue:
            app = closing_if_uninvited(app, cycle)
        if cycle.scope["http_version"] != "1.1":
            app = without_chunks(app, cycle)
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        # uvicorn sets a timer for each answer; the server looks at all connections anyway.
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self.idle_since = self.loop.time()

    def refuse(self, status: int, detail: str) -> None:
        """Answers in the application's stead, when it is this request's turn, and closes."""
        self.refused = True  # whatever else comes
        last = self.cycle
        refusal = self._refusal(status, detail)
        if last is None or (self.in_head and last.response_complete):
            self._start_asgi_task(refusal, self.refusing)
        elif self.in_head:
            self.pipeline.appendleft((refusal, self.refusing))
        elif last.response_complete:
            self.transport.close()  # what is refused has its answer already
        elif self.pipeline:
            self.pipeline[0] = refusal, self.refusing
        elif last.response_started:
            self.transport.abort()
        else:
            last.scope["answered"] = True  # type: ignore[typeddict-unknown-key]
            last.disconnected = True
            last.message_event.set()
            self._start_asgi_task(refusal, self.refusing)
        self.cycle = refusal

    def _refusal(self, status: int, detail: str) -> RequestResponseCycle:
        if self.scope is None:
            HttpToolsProtocol.on_message_begin(self)
        headers = {"Connection": "close"}
        scope: Any = {**self.scope, "refusal": problem(status, detail, headers)}
        # An incomplete line may name another method than it was about to.
        scope["method"] = self.parser.get_method().decode() if self.url else ""
        if "path" not in scope:
            scope["path"] = self.url.partition(b"?")[0].decode("latin-1")
        cycle = RequestResponseCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        return cycle

    def cut_off_if_slow(self, now: float) -> None:
        """Closes the connection if for too long nothing was asked, or read, or a request came."""
        seconds = self.request_seconds
        if self.awaiting_since is not None and now - self.awaiting_since > seconds:
            self.awaiting_since = None
            if self.in_head or self.cycle is not None:
                what = "a MiB of the body" if self._goes_on() else "the request"
                self.refuse(408, f"{what} did not arrive within {seconds:g} s")
            else:
                self.transport.close()
        elif self.is_idle() and now - (self.idle_since or now) > self.keep_alive_seconds:
            self.transport.close()
        unsent = self.transport.get_write_buffer_size()
        if unsent != self.stuck[0]:
            self.stuck = unsent, now
        elif unsent and now - self.stuck[1] > seconds:
            self.transport.abort()

    def is_idle(self) -> bool:
        """Whether no request runs or arrives, and no answer is on its way."""
        return (
            self.idle_since is not None
            and (self.awaiting_since is None or self._is_silent(self.awaiting_since))
            and not self.transport.get_write_buffer_size()
        )

    def _is_silent(self, since: float) -> bool:
        """Whether a client that has connected does not ask; its first bytes may be on their way."""
        return self.cycle is None and self.loop.time() - since > SILENT_SECONDS

    def _make_room(self) -> None:
        """Closes the connection that has been idle for longest, in favour of this one."""
        others = [c for c in self.connections if isinstance(c, BoundedHttp) and c is not self]
        if idle := [other for other in others if other.is_idle()]:
            longest = min(idle, key=lambda each: each.idle_since or 0)
            self.connections.discard(longest)  # as it will itself, but a crowd may come before
            longest.transport.close()
        if len(self.connections) > self.max_connections + SPARE_CONNECTIONS:
            self.transport.abort()
        self.beyond = len(self.connections) > self.max_connections

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
