"""Predictions over HTTP: bytes → arrays → ONNX Runtime → bytes.

This is the hot path, so it stands in front of FastAPI, whose middleware and dependencies cost
several times what the prediction does. But for the arrival of the body, nothing here waits.
"""

import asyncio
import logging
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from models.config import ModelName
from models.schema import TRIPLES
from service import access, access_log
from service.access_log import AccessLog, Answerer
from service.errors import (
    FAULT,
    BadRequest,
    Conflict,
    CrosscheckError,
    Invalid,
    TooLarge,
    Unavailable,
    of_disk,
)
from service.http import content_coding
from service.predict.exchange import Answer, Exchange
from service.predict.formats.question import TOO_MANY_ROWS, Features, Limits, Question
from service.predict.loaded import TOGETHER_ROWS, Loaded, load, rows_of
from service.predict.serving import NOTHING, Serving, look
from service.registry.versions import Registry
from service.settings import Settings
from service.tables.store import Tables

logger = logging.getLogger(__name__)

T = TypeVar("T")

Headers = list[tuple[bytes, bytes]]

Answered = tuple[Answer, Loaded, int]
"""An answer, who has predicted, and how many rows."""

VALUES_AT_ONCE = 300_000
"""In one request: more are worked on in a thread, however short the body is that brings them."""

MOST_VALUES = 10_000_000
"""In one request: a row takes as much memory as its table has columns, however few it names."""

KEPT_DATASETS = 64
"""Of how many tables stays loaded what serves: those that were asked for last."""

KEPT_LOADED = 8
"""How many versions that do not serve stay loaded for requests that name them."""


class Predictor:
    """Answers with the versions that the registry says are serving, or that are named."""

    def __init__(
        self, registry: Registry, tables: Tables, settings: Settings, log: AccessLog
    ) -> None:
        self.registry = registry
        self.log = log
        self.settings = settings
        self.triples = NOTHING
        self._tables = tables
        self._of_tables: OrderedDict[str, Serving] = OrderedDict()
        self._others: dict[tuple[str, ModelName, float], Loaded] = {}
        self._looking = asyncio.Lock()
        self._large = 0
        # Of its own: a database that does not answer holds the threads that all others share.
        self._threads = ThreadPoolExecutor(settings.max_large_requests)

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
        (answer, headers), loaded, rows = await answering
        headers = [*headers, (b"content-length", b"%d" % len(answer)), *loaded.headers]
        return answer, headers, loaded.named, rows

    async def _answer(self, exchange: Exchange, body: bytes) -> Answered:
        question = exchange.ask(body)
        loaded = self._at_hand(question) or await self._fetch(question)
        columns = len(loaded.intake.names)
        if exchange.most_rows(body) * columns > VALUES_AT_ONCE:
            with self._place():
                return await self._answer_in_thread(exchange, question, loaded)
        features = self._read(exchange, question, loaded)
        rows = rows_of(features)
        if rows * columns > VALUES_AT_ONCE:
            with self._place():
                predictions = await self._in_thread(loaded.predict, features)
        elif rows > TOGETHER_ROWS:
            predictions = loaded.predict(features)
        else:
            predictions = await loaded.predict_together(features)
        return exchange.write(predictions, loaded), loaded, rows

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
        loaded = self._at_hand(question) or await self._fetch(question)
        return await self._answer_in_thread(exchange, question, loaded)

    async def _answer_in_thread(
        self, exchange: Exchange, question: Question, loaded: Loaded
    ) -> Answered:
        def answer() -> Answered:
            predictions = loaded.predict(self._read(exchange, question, loaded))
            return exchange.write(predictions, loaded), loaded, len(predictions)

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

    async def find(self, question: Question) -> Loaded:
        """The version that is asked for.

        Raises:
            NotFound: There is no such dataset or version, or it is damaged.
            Conflict: Nothing serves yet.
        """
        return self._at_hand(question) or await self._fetch(question)

    def _at_hand(self, question: Question) -> Loaded | None:
        """The version that is asked for, if it is loaded."""
        dataset = question.dataset
        if dataset == TRIPLES:
            serving = self.triples
        elif dataset in self._of_tables:
            self._of_tables.move_to_end(dataset)
            serving = self._of_tables[dataset]
        else:
            return None
        model, version = serving.resolve(question.model, question.version)
        if found := serving.at_hand(model, version):
            return found
        return self._others.get((dataset, model, version)) if model and version else None

    async def _fetch(self, question: Question) -> Loaded:
        """The version that is asked for, loaded first."""
        dataset = question.dataset
        serving = await self.of(dataset)
        model, version = serving.resolve(question.model, question.version)
        if found := serving.at_hand(model, version):
            return found
        registry = self.registry.of(dataset)
        if model is not None and version is not None:
            loaded = await self._in_thread(load, registry, model, int(version))
            while len(self._others) >= KEPT_LOADED:
                self._others.pop(next(iter(self._others)))
            self._others[dataset, model, version] = loaded
            return loaded
        what = f"the model {model} has" if model else "there is"
        of = "" if dataset == TRIPLES else f" of the dataset {dataset}"
        how = "POST /train" if dataset == TRIPLES else f'POST /train {{"dataset": "{dataset}"}}'
        raise Conflict(f"{what} no serving version{of} yet: train one with {how}")

    @property
    def has_looked(self) -> bool:
        """Whether what the registry served of triples, now or a while ago, is loaded."""
        return self.triples is not NOTHING

    @property
    def tables(self) -> list[str]:
        """The tables of which it is loaded what serves."""
        return list(self._of_tables)

    async def of(self, dataset: str = TRIPLES) -> Serving:
        """What serves of a dataset now. It is loaded, and followed from then on.

        Raises:
            NotFound: There is no such dataset.
        """
        registry = self.registry.of(dataset)
        async with self._looking:
            before = self.triples if dataset == TRIPLES else self._of_tables.get(dataset, NOTHING)
            if before is NOTHING:
                await self._in_thread(self._tables.require, dataset)
            now = await self._in_thread(look, registry, before)
            if now is not before:
                self._swap(dataset, now)
        return now

    def _swap(self, dataset: str, now: Serving) -> None:
        for key in [key for key in self._others if key[0] == dataset]:
            del self._others[key]
        if dataset == TRIPLES:
            self.triples = now
            return
        if now.networks:
            self._of_tables[dataset] = now
        else:  # it costs nothing to look again, and anybody can ask for it
            self._of_tables.pop(dataset, None)
        while len(self._of_tables) > KEPT_DATASETS:
            self._of_tables.popitem(last=False)

    async def keep_fresh(self) -> None:
        """Follows the registry until cancelled: triples, and the tables that are loaded."""
        known: set[str] = set()
        while True:
            faults = set()
            for dataset in (TRIPLES, *self.tables):
                if dataset != TRIPLES and dataset not in self._of_tables:
                    continue  # meanwhile, others took its place
                try:
                    await self.of(dataset)
                except Exception as error:
                    fault = f"{dataset}: {error!r}"
                    faults.add(fault)
                    if fault not in known:  # say it once, not five times a second
                        logger.exception(
                            "could not read the versions of %s; still serving what is loaded",
                            dataset,
                        )
            known = faults
            await asyncio.sleep(self.settings.refresh_seconds)


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
