"""The ASGI application of an API process. It never imports TensorFlow."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from service import errors
from service.jobs import JobStore, prepare_database
from service.predict import Predictor
from service.registry import Registry
from service.routes import router
from service.schemas import PredictRequest, PredictResponse, Problem
from service.settings import Settings


class Crosscheck(FastAPI):
    """FastAPI, with `POST /predict` answered before FastAPI's own layers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/predict" and scope["method"] == "POST":
            await self.state.predictor(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(settings: Settings) -> Crosscheck:
    """Makes the application; it opens nothing before its lifespan starts."""
    app = Crosscheck(
        title="Crosscheck",
        summary="Trains a cross-layer and a dense network, compares them, serves the better one.",
        version=version("crosscheck"),
        lifespan=lifespan,
        redoc_url=None,
        max_body_size=settings.max_body_bytes,
        responses={"4XX": {"model": Problem, "content": {errors.PROBLEM_JSON: {}}}},
    )
    app.state.settings = settings
    app.state.registry = Registry(settings.artifacts_dir)
    app.state.predictor = Predictor(app.state.registry, settings)
    app.state.jobs = JobStore(settings)
    app.state.stopping = asyncio.Event()
    app.include_router(router)
    document_predict(app)
    errors.install(app)
    return app


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Prepares both stores, loads the serving versions, and follows the registry meanwhile."""
    app.state.registry.prepare()
    await asyncio.to_thread(prepare_database, app.state.settings)
    following = asyncio.create_task(app.state.predictor.keep_fresh())
    yield
    following.cancel()
    app.state.jobs.close()


def document_predict(app: FastAPI) -> None:
    """Adds `POST /predict` to the OpenAPI document; the request itself never gets this far."""

    @app.post("/predict", tags=["models"])
    async def predict(request: PredictRequest) -> PredictResponse:
        """Predicts triples with the serving version that has the lowest eval RMSE."""
        raise AssertionError("answered by Crosscheck.__call__")
