"""Predictions over HTTP: bytes → arrays → ONNX Runtime → bytes.

This is the hot path, so it stands in front of FastAPI, whose middleware and dependencies cost
several times what the prediction does. But for the arrival of the body, nothing here waits.
"""

import asyncio
import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from service import access, access_log
from service.access_log import AccessLog, Answerer
from service.errors import (
    FAULT,
    BadRequest,
    CrosscheckError,
    Invalid,
    TooLarge,
    Unavailable,
    of_disk,
)
from service.http import content_coding
from service.predict.canary import TrialAnswer
from service.predict.exchange import Answer, Exchange
from service.predict.following import EPOCH, Following, Found, client
from service.predict.formats.question import TOO_MANY_ROWS, Features, Limits, Predictions, Question
from service.predict.loaded import TOGETHER_ROWS, Loaded, rows_of
from service.registry.versions import Registry
from service.settings import Settings
from service.tables.store import Tables

logger = logging.getLogger(__name__)

T = TypeVar("T")

Headers = list[tuple[bytes, bytes]]

Answered = tuple[Answer, Found, int]
"""An answer, who has predicted, and how many rows."""

VALUES_AT_ONCE = 300_000
"""In one request: more are worked on in a thread, however short the body is that brings them."""

MOST_VALUES = 10_000_000
"""In one request: a row takes as much memory as its table has columns, however few it names."""


class Predictor:
    """Answers with the versions that the registry says are serving, or that are named."""

    def __init__(
        self,
        registry: Registry,
        tables: Tables,
        settings: Settings,
        log: AccessLog,
        tried: deque[TrialAnswer] | None = None,
    ) -> None:
        """
        Args:
            tried: Where others find what was answered while a version is tried.
        """
        self.tried = deque[TrialAnswer](maxlen=0) if tried is None else tried
        self.log = log
        self.settings = settings
        self._large = 0
        # Of its own: a database that does not answer holds the threads that all others share.
        self._threads = ThreadPoolExecutor(settings.max_large_requests)
        self.following = Following(registry, tables, settings, self._threads)

    async def __call__(
        self, exchange: Exchange, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answers a request by its protocol."""
        started = time.perf_counter()
        given = dict(scope["headers"])
        request_id = access_log.request_id(given.get(b"x-request-id"))
        given[b"x-request-id"] = request_id
        answerer, rows = None, 0
        try:
            status = 200
            access.admit(self.settings, scope, given)
            exchange.client = client(given)
            exchange.begin(given, scope["query_string"])
            body, headers, answerer, rows = await self._respond(exchange, given, receive)
        except CrosscheckError as refusal:
            status, body, headers = _refused(exchange, refusal, scope)
        except OSError as error:
            logger.error("POST %s: %s", scope["path"], error)
            status, body, headers = _refused(exchange, of_disk(error), scope)
        except Exception:
            logger.exception("could not answer POST %s", scope["path"])
            status, body, headers = _refused(exchange, FAULT, scope)
        # The log wraps all other endpoints; here even a wrapper is felt.
        headers.append((b"x-request-id", request_id))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self.log.note(scope, request_id, status, started, answerer, rows)

    async def _respond(
        self, exchange: Exchange, given: dict[bytes, bytes], receive: Receive
    ) -> tuple[bytes, Headers, Answerer, int]:
        if int(given.get(b"content-length", 0)) > self.settings.max_body_bytes:
            raise self._too_large()
        if b"content-encoding" in given:
            most = self.settings.max_body_bytes
            receive = content_coding.decoded(given[b"content-encoding"], receive, most)
        if exchange.by_arrow and "pyarrow.parquet" not in sys.modules:
            await self._in_thread(_import_pyarrow)
        message = await receive()
        at_once = min(exchange.large_bytes, self.settings.max_body_bytes)
        whole = message["type"] == "http.request" and not message["more_body"]
        if not whole or len(message["body"]) > at_once:
            answering = self._answer_parts(message, receive, exchange)
        else:
            answering = self._answer(exchange, message["body"])
        (answer, headers), (loaded, serving, _), rows = await answering
        headers = [*headers, (b"content-length", b"%d" % len(answer)), *loaded.headers]
        headers.append((EPOCH, b"%d" % serving.epoch))
        return answer, headers, loaded.named, rows

    async def _answer(self, exchange: Exchange, body: bytes) -> Answered:
        question = exchange.ask(body)
        found = await self.following.find(question, exchange.client)
        loaded = found.loaded
        columns = len(loaded.intake.names)
        if exchange.most_rows(body) * columns > VALUES_AT_ONCE:
            with self._place():
                return await self._answer_in_thread(exchange, question, found)
        features = self._read(exchange, question, loaded)
        rows = rows_of(features)
        if rows * columns > VALUES_AT_ONCE:
            with self._place():
                predictions = await self._in_thread(loaded.predict, features)
        elif rows > TOGETHER_ROWS:
            predictions = loaded.predict(features)
        else:
            predictions = await loaded.predict_together(features)
        return self._written(exchange, predictions, found)

    def _written(self, exchange: Exchange, predictions: Predictions, found: Found) -> Answered:
        if found.trial is not None:
            self.tried.append(TrialAnswer.of(predictions, found.loaded, found.trial))
        return exchange.write(predictions, found.loaded), found, len(predictions)

    async def _answer_parts(
        self, message: Message, receive: Receive, exchange: Exchange
    ) -> Answered:
        """Answers a body that is large or comes in parts, of which `message` is the first.

        As soon as it is large it needs one of few places, so that memory is bounded, too.
        """
        body = bytearray()
        with ExitStack() as places:
            large = False
            while True:
                if message["type"] == "http.disconnect":
                    raise BadRequest("the client went away")
                body += message["body"]
                if len(body) > self.settings.max_body_bytes:
                    raise self._too_large()
                if len(body) > exchange.large_bytes and not large:
                    places.enter_context(self._place())
                    large = True
                if not message["more_body"]:
                    break
                message = await receive()
            answer = self._answer_large if large else self._answer
            return await answer(exchange, bytes(body))

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the body is larger than {self.settings.max_body_bytes} bytes")

    async def _answer_large(self, exchange: Exchange, body: bytes) -> Answered:
        def ask() -> Question:
            exchange.refuse_too_many(body, self.settings.max_rows_per_request)
            return exchange.ask(body)

        question = await self._in_thread(ask)
        found = await self.following.find(question, exchange.client)
        return await self._answer_in_thread(exchange, question, found)

    async def _answer_in_thread(
        self, exchange: Exchange, question: Question, found: Found
    ) -> Answered:
        def answer() -> Answered:
            loaded = found.loaded
            predictions = loaded.predict(self._read(exchange, question, loaded))
            return self._written(exchange, predictions, found)

        return await self._in_thread(answer)

    async def _in_thread(self, do: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, do, *arguments)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the places for large requests."""
        if self._large >= self.settings.max_large_requests:
            raise Unavailable(
                "too many large requests at once", {"Retry-After": "1"}, "large_requests"
            )
        self._large += 1
        try:
            yield
        finally:
            self._large -= 1

    def _read(self, exchange: Exchange, question: Question, loaded: Loaded) -> Features:
        """The rows of a question, as the version takes them that answers."""
        most = min(self.settings.max_rows_per_request, MOST_VALUES // len(loaded.intake.names))
        limits = Limits(most, self.settings.max_body_bytes)
        features = exchange.read(question.instances, loaded.intake, limits)
        rows = rows_of(features)
        if not rows:
            raise Invalid("instances: it is empty")
        if rows > most:
            raise TooLarge(TOO_MANY_ROWS.format(most))
        return features


def _import_pyarrow() -> None:
    """Imports what takes a while, so that nobody who sends other formats waits for it."""
    import pyarrow.csv
    import pyarrow.ipc
    import pyarrow.parquet  # noqa: F401


def _refused(
    exchange: Exchange, refusal: CrosscheckError, scope: Scope
) -> tuple[int, bytes, Headers]:
    scope["reason"] = refusal.reason
    response: Response = exchange.refuse(refusal)
    return response.status_code, bytes(response.body), response.raw_headers
