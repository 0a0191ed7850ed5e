"""The ASGI application of an API process. It never imports TensorFlow."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.metadata import version
from typing import Any, get_args

from fastapi import FastAPI, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.types import Message, Receive, Scope, Send

from service import access, access_log, errors, page, protocols, taken_folder
from service.access_log import AccessLog
from service.api import (
    datasets,
    docs,
    document,
    example,
    health,
    jobs,
    models,
    recipe,
    scrape,
    serving,
    whoami,
)
from service.api.readiness import Readiness, Subject
from service.errors import CrosscheckError, NotFound, Refuse, TooLarge, problem
from service.jobs import database
from service.jobs.store import JobStore
from service.predict import formats
from service.predict.answers import Answers
from service.predict.predictor import Predictor
from service.predict.residuals import ResidualsOf
from service.predict.shapes import PredictResponse, PredictRows, PredictTriples
from service.protocols import ExchangeAt
from service.protocols.refusals import Wording
from service.settings import Settings
from service.store import follower
from service.store.places import places
from service.tables.uploads import Uploads
from service.telemetry import ended_jobs, slots
from service.telemetry.counting import Counting
from service.telemetry.request_spans import RequestSpans
from service.telemetry.routes import template_at
from service.telemetry.scrape import Scrape
from service.tracing import begin as tracing_of

MAX_CONFIG_BYTES = 64 * 1024
"""Of every body but that of `POST /predict` and of a table."""

DATABASE_SECONDS = 2.0
"""How long a start waits for the job database; without it, requests about jobs get 503."""

STORE_SECONDS = 2.0
"""How long a start waits for the object store, where there is one; without it, what serves is what
was known here before."""

BEARER = HTTPBearer(auto_error=False)
API_KEY = APIKeyHeader(name="X-API-Key", auto_error=False)


class Crosscheck(FastAPI):
    """FastAPI, with requests for predictions answered before FastAPI's own layers."""

    predictor: Predictor
    exchange_at: ExchangeAt
    wording_at: Callable[[str], Wording | None]
    below: str = ""
    spans: RequestSpans | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.below:
            scope = _without(self.below, scope)
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
        elif scope["method"] == "POST" and (exchange := self.exchange_at(scope["path"])):
            if self.spans is not None and self.state.settings.trace_predictions:
                await self.spans(partial(self.predictor, exchange), scope, receive, send)
            else:
                await self.predictor(exchange, scope, receive, send)
        elif self.spans is not None:
            await self.spans(self._log, scope, receive, send)
        else:
            await self._log(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self.openapi_schema is None:
            made, settings = super().openapi(), self.state.settings
            self.openapi_schema = document.complete(made, settings, self.wording_at)
        return self.openapi_schema

    def refusing(self, path: str) -> Refuse:
        """How what is refused at a path is worded."""
        wording = self.wording_at(path)
        return wording.refuse if wording else problem

    async def _log(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.state.access_log(self._admit, scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope["headers"])
        try:
            access.admit(self.state.settings, scope, given)
            if not scope["path"].isprintable():  # a router's `$` matches before a newline, too
                raise NotFound("there is no such path")
            # FastAPI would refuse it, too, but in plain text.
            most = self._most_bytes(scope)
            if int(given.get(b"content-length", 0)) > most:
                raise TooLarge(f"the body is larger than {most} bytes")
        except CrosscheckError as refusal:
            scope["reason"] = refusal.reason
            refuse = self.refusing(scope["path"])
            await refuse(refusal.status, refusal.detail, refusal.headers)(scope, receive, send)
        else:
            if scope["method"] == "HEAD":  # as GET; the server leaves the body out
                scope, send = {**scope, "method": "GET"}, _head_only(send)
            await super().__call__(scope, receive, send)

    def _most_bytes(self, scope: Scope) -> int:
        settings: Settings = self.state.settings
        if scope["method"] == "PUT" and scope["path"].startswith("/datasets/"):
            return settings.max_upload_bytes
        return min(settings.max_body_bytes, MAX_CONFIG_BYTES)


def _without(root_path: str, scope: Scope) -> Scope:
    """The scope as if a proxy had taken the root path off.

    Everything after it, roles first of all, sees this one path, from which no more is taken off.
    """
    path = scope.get("path", "")
    if path != root_path and not path.startswith(f"{root_path}/"):
        return scope
    return {**scope, "path": path.removeprefix(root_path) or "/"}


def _head_only(send: Send) -> Send:
    """Ends an answer behind its head; a stream takes notice as if its client had gone."""
    ended = False

    async def send_head(message: Message) -> None:
        nonlocal ended
        if not ended:
            await send(message)
            if message["type"] == "http.response.start":
                ended = True
                await send({"type": "http.response.body", "body": b""})

    return send_head


def create_app(settings: Settings, given: slots.Given | None = None) -> Crosscheck:
    """Makes the application; it opens nothing before its lifespan starts.

    Args:
        given: The slots of all API processes; by default there is this one alone.
    """
    app = Crosscheck(
        title="Crosscheck",
        summary="Trains a cross-layer and a dense network, compares them, serves the better one.",
        version=version("crosscheck"),
        lifespan=lifespan,
        docs_url=None,  # ours is in `docs/`
        redoc_url=None,
        max_body_size=min(settings.max_body_bytes, MAX_CONFIG_BYTES),
        separate_input_output_schemas=False,
        redirect_slashes=False,  # each path is spelled in one way, as documented
    )
    app.below = settings.root_path
    app.state.settings = settings
    app.state.places = opened = places(settings.artifacts_dir, settings.store_url)
    app.state.registry, app.state.tables = opened.registry, opened.tables
    app.state.event_streams = 0
    app.state.counting = Counting(
        given,
        template_at(app, settings.root_path),
        lambda: app.state.event_streams,
        settings.max_metrics_datasets,
    )
    app.state.access_log = AccessLog(settings.access_log, app.state.counting.noted)
    app.predictor = Predictor(
        opened.registry,
        opened.tables,
        settings,
        app.state.access_log,
        app.state.counting.tried,
    )
    app.state.following = app.predictor.following
    app.state.residuals = ResidualsOf()
    app.state.answers = Answers(opened.registry, opened.tables)
    app.exchange_at = protocols.exchange_at(settings)
    app.wording_at = protocols.wording_at(settings)
    app.state.jobs = JobStore(settings, opened)
    app.state.uploads = Uploads(app.state.tables, settings)
    app.state.stopping = asyncio.Event()
    app.state.readiness = {subject: Readiness(app.state, subject) for subject in get_args(Subject)}
    app.state.scrape = Scrape(app.state, settings, app.state.counting)
    open_to_all = [health.router, whoami.router, docs.router, page.router]
    for router in (*open_to_all, *protocols.health_routers(settings)):
        app.include_router(router)
    # They document the key; `Crosscheck` has asked for it before a request comes to a router.
    keys = [Security(BEARER), Security(API_KEY)] if settings.api_keys else []
    nouns = (datasets, example, recipe, jobs, models, serving, scrape)
    own = [noun.router for noun in nouns]
    for router in (*own, *protocols.routers(settings)):
        app.include_router(router, dependencies=keys)
    document_predict(app, keys)
    errors.install(app, app.refusing)
    return app


@asynccontextmanager
async def lifespan(app: Crosscheck) -> AsyncIterator[None]:
    """Prepares both stores, and follows the registry. Predictions do not need the database."""
    app.state.registry.prepare()
    with suppress(OSError):  # a replica can only read
        taken_folder.clear(app.state.tables.staging)
    preparing = asyncio.create_task(database.prepare(app.state.settings))
    tasks = [preparing]
    if (store := app.state.places.store) is not None:
        catching_up = asyncio.create_task(follower.catch_up(store))  # what was kept may be old
        await asyncio.wait([catching_up], timeout=STORE_SECONDS)
        tasks.append(asyncio.create_task(follower.keep_following(app.state.places)))
    await asyncio.wait([preparing], timeout=DATABASE_SECONDS)
    counting: Counting = app.state.counting
    tasks += [
        asyncio.create_task(app.predictor.following.keep_fresh()),
        asyncio.create_task(app.state.access_log.keep_writing()),
        asyncio.create_task(counting.keep_counting()),
    ]
    if counting.is_first:
        tasks.append(asyncio.create_task(ended_jobs.keep_counting(counting.told, app.state.jobs)))
    if tracing := tracing_of(app.state.settings):
        app.spans = RequestSpans(tracing, template_at(app))
    gc.freeze()  # a full collection need not walk the libraries, which takes 40 ms
    yield
    for task in tasks:
        task.cancel()
    access_log.write(app.state.access_log.take())
    app.state.jobs.close()
    if tracing:
        tracing.close()


def document_predict(app: FastAPI, keys: list[Any]) -> None:
    """Adds `POST /predict` to the OpenAPI document; the request itself never gets this far."""
    others = {
        known.media_type: {"schema": {"type": "string", "format": "binary"}}
        for known in formats.FORMATS.values()
        if known is not formats.JSON
    }
    examples = {
        "triples": {"value": {"instances": [[0.5, 0.5, 0.5], {"x0": 0.1, "x1": 0.2, "x2": 0.3}]}},
        "a table": {"value": {"dataset": "houses", "instances": [{"rooms": 3, "city": "Oslo"}]}},
    }
    headers = {
        "X-Model": {"schema": {"type": "string"}, "description": "Who made the predictions."},
        "X-Model-Version": {"schema": {"type": "integer"}},
        **models.EPOCH_HEADER,
    }
    asking: list[dict[str, Any]] = [
        {
            "name": "X-Serving-Epoch",
            "in": "header",
            "schema": {"type": "integer", "minimum": 0, "maximum": 10**15 - 1},
            "description": "As an answer has told it: by no older state it is to be answered.",
        },
        {
            "name": "X-Canary-Key",
            "in": "header",
            "schema": {"type": "string"},
            "description": "Of whom it is about. Where a version is tried, the key decides whether "
            "that one answers.",
        },
    ]

    @app.post(
        "/predict",
        tags=["models"],
        dependencies=keys,
        openapi_extra={
            "parameters": asking,
            "requestBody": {"content": {"application/json": {"examples": examples}, **others}},
        },
        responses={200: {"content": others, "headers": headers}},
    )
    async def predict(request: PredictTriples | PredictRows) -> PredictResponse:
        """Predicts rows with the serving version of a dataset that errs least on the same rows.

        Takes and, as `Accept` asks, answers JSON, CSV with a header, an Arrow IPC stream or
        Parquet, all of them by column name in any order, or npy: an array `(rows, columns)` of
        float32 or float64, for datasets of numbers alone. With any of them, `dataset`, `model` and
        `version` may stand in the URL's query. Of a binary target, predictions are probabilities
        of its positive class.
        """
        raise AssertionError("answered by Crosscheck.__call__")
