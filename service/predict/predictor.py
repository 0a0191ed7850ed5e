"""`POST /predict`: bytes → array → ONNX Runtime → bytes.

This is the hot path, so it stands in front of FastAPI, whose middleware and dependencies cost
several times what the prediction does. But for the arrival of the body, nothing here waits.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from models.config import MODEL_NAMES, ModelName
from service import access, access_log
from service.access_log import AccessLog
from service.errors import (
    BadRequest,
    Conflict,
    CrosscheckError,
    Invalid,
    TooLarge,
    Unavailable,
    apology,
    disk_problem,
    problem,
)
from service.http import content_coding
from service.predict import formats
from service.predict.default import Default, choose
from service.predict.formats import Format
from service.predict.formats.question import Question
from service.predict.loaded import TOGETHER_ROWS, Loaded, load
from service.registry.versions import Registry
from service.settings import Settings

logger = logging.getLogger(__name__)

T = TypeVar("T")

TOO_MANY_ROWS = "instances: more than {} rows in one request"

KEPT_LOADED = 8
"""How many versions that do not serve stay loaded for requests that name them."""


class Predictor:
    """Answers `POST /predict` with the versions that the registry says are serving."""

    def __init__(self, registry: Registry, settings: Settings, log: AccessLog) -> None:
        self.registry = registry
        self.log = log
        self.settings = settings
        self.serving: dict[ModelName, Loaded] = {}
        self.default: Default | None = None
        self._others: dict[tuple[ModelName, float], Loaded] = {}
        self._state: tuple[object, ...] = ()
        self._refreshing = asyncio.Lock()
        self._large = 0
        # Of its own: a database that does not answer holds the threads that all others share.
        self._threads = ThreadPoolExecutor(settings.max_large_requests)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        given = dict(scope["headers"])
        try:
            status = 200
            access.admit(self.settings, scope, given)
            body, headers = await self._respond(given, scope["query_string"], receive)
        except CrosscheckError as error:
            status, body, headers = _unpacked(problem(error.status, error.detail, error.headers))
        except OSError as error:
            logger.error("POST /predict: %s", error)
            status, body, headers = _unpacked(disk_problem(error))
        except Exception:
            logger.exception("could not answer POST /predict")
            status, body, headers = _unpacked(apology())
        # The log wraps all other endpoints; here even a wrapper is felt.
        request_id = access_log.request_id(given.get(b"x-request-id"))
        headers.append((b"x-request-id", request_id))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self.log.note(scope, request_id, status, started)

    async def _respond(
        self, given: dict[bytes, bytes], query: bytes, receive: Receive
    ) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        asked_in = formats.of_body(given.get(b"content-type", b""))
        answer_in = formats.of_answer(given.get(b"accept", b""))
        if int(given.get(b"content-length", 0)) > self.settings.max_body_bytes:
            raise self._too_large()
        if b"content-encoding" in given:
            most = self.settings.max_body_bytes
            receive = content_coding.decoded(given[b"content-encoding"], receive, most)
        message = await receive()
        at_once = min(asked_in.large_bytes, self.settings.max_body_bytes)
        whole = message["type"] == "http.request" and not message["more_body"]
        if not whole or len(message["body"]) > at_once:
            answering = self._answer_parts(message, receive, asked_in, query, answer_in)
        else:
            answering = self._answer(asked_in, message["body"], query, answer_in)
        answer, loaded = await answering
        return answer, [
            (b"content-type", answer_in.content_type),
            (b"content-length", b"%d" % len(answer)),
            *loaded.headers,
        ]

    async def _answer(
        self, asked_in: Format, body: bytes, query: bytes, answer_in: Format
    ) -> tuple[bytes, Loaded]:
        question = self._check(asked_in.read(body, query))
        loaded = self._at_hand(question) or await self._fetch(question)
        if len(question.features) > TOGETHER_ROWS:
            predictions = loaded.predict(question.features)
        else:
            predictions = await loaded.predict_together(question.features)
        return answer_in.write(predictions, loaded.model, loaded.version), loaded

    async def _answer_parts(
        self, message: Message, receive: Receive, asked_in: Format, query: bytes, answer_in: Format
    ) -> tuple[bytes, Loaded]:
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
                if len(body) > asked_in.large_bytes and not large:
                    places.enter_context(self._place())
                    large = True
                if not message["more_body"]:
                    break
                message = await receive()
            answer = self._answer_large if large else self._answer
            return await answer(asked_in, bytes(body), query, answer_in)

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the body is larger than {self.settings.max_body_bytes} bytes")

    async def _answer_large(
        self, asked_in: Format, body: bytes, query: bytes, answer_in: Format
    ) -> tuple[bytes, Loaded]:
        most = self.settings.max_rows_per_request
        if asked_in is formats.JSON and body.count(b"[") > most + 1:  # before it takes the memory
            raise TooLarge(TOO_MANY_ROWS.format(most))
        question = self._check(await self._in_thread(asked_in.read, body, query))
        loaded = self._at_hand(question) or await self._fetch(question)

        def answer() -> bytes:
            predictions = loaded.predict(question.features)
            return answer_in.write(predictions, loaded.model, loaded.version)

        return await self._in_thread(answer), loaded

    async def _in_thread(self, do: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, do, *arguments)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the places for large requests."""
        if self._large >= self.settings.max_large_requests:
            raise Unavailable("too many large requests at once", {"Retry-After": "1"})
        self._large += 1
        try:
            yield
        finally:
            self._large -= 1

    def _check(self, question: Question) -> Question:
        rows = len(question.features)
        if not rows:
            raise Invalid("instances: it is empty")
        if rows > self.settings.max_rows_per_request:
            raise TooLarge(TOO_MANY_ROWS.format(self.settings.max_rows_per_request))
        if question.version is not None and question.model is None:
            raise Invalid("version: it needs `model` beside it")
        return question

    def _at_hand(self, question: Question) -> Loaded | None:
        """The version that is asked for, if it is loaded."""
        if question.model is None:
            return self.default and self.default.loaded
        serving = self.serving.get(question.model)
        if question.version is None or (serving and serving.version == question.version):
            return serving
        return self._others.get((question.model, question.version))

    async def _fetch(self, question: Question) -> Loaded:
        """The version that is asked for, loaded first."""
        model, version = question.model, question.version
        if model is not None and version is not None:
            loaded = await self._in_thread(load, self.registry, model, int(version))
            while len(self._others) >= KEPT_LOADED:
                self._others.pop(next(iter(self._others)))
            self._others[model, version] = loaded
            return loaded
        await self.refresh()
        if found := self._at_hand(question):
            return found
        what = f"the model {model} has" if model else "there is"
        raise Conflict(f"{what} no serving version yet: train one with POST /train")

    @property
    def has_looked(self) -> bool:
        """Whether what the registry served, now or a while ago, is loaded."""
        return bool(self._state)

    async def refresh(self) -> None:
        """Loads what the registry serves now, and swaps it in whole."""
        async with self._refreshing:
            state = await self._in_thread(self.registry.state)
            if state != self._state:
                serving = await self._in_thread(self._load_serving)
                chosen = await self._in_thread(choose, serving.values(), self.registry)
                self.serving, self.default, self._state = serving, chosen, state

    async def keep_fresh(self) -> None:
        """Follows the registry until cancelled."""
        fault = ""
        while True:
            try:
                await self.refresh()
                fault = ""
            except Exception as error:
                if repr(error) != fault:  # say it once, not five times a second
                    logger.exception("could not read the registry; still serving what is loaded")
                fault = repr(error)
            await asyncio.sleep(self.settings.refresh_seconds)

    def _load_serving(self) -> dict[ModelName, Loaded]:
        serving = dict(self.serving)
        for name in MODEL_NAMES:
            number = self.registry.serving(name)
            if number is not None and (name not in serving or serving[name].version != number):
                serving[name] = load(self.registry, name, number)
                logger.info("serving %s", serving[name])
        return serving


def _unpacked(response: Response) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    return response.status_code, bytes(response.body), response.raw_headers
