"""Other people's wire shapes, a file each: they ask what `POST /predict` asks.

What predicts is an `Exchange`, which goes before FastAPI; what tells of models is an endpoint.
"""

from collections.abc import Callable

from fastapi import APIRouter

from service.predict.exchange import Exchange, OwnExchange
from service.protocols import (
    azure,
    mlflow,
    open_inference,
    open_inference_status,
    refusals,
    tensorflow_serving,
    tensorflow_serving_status,
    vertex,
)
from service.protocols.refusals import Wording
from service.settings import HEALTH, Settings

ExchangeAt = Callable[[str], Exchange | None]

OF_MLFLOW = ("/invocations", "/ping", "/health", "/version")


def health_routers(settings: Settings) -> list[APIRouter]:
    """The endpoints that ask for no key."""
    found = [open_inference_status.health, mlflow.health]
    if settings.health_route and settings.health_route not in HEALTH:
        found.append(vertex.health(settings.health_route))
    return found


def routers(settings: Settings) -> list[APIRouter]:
    """The other endpoints."""
    of_vertex = [vertex.router(settings.predict_route)] if settings.predict_route else []
    others = [tensorflow_serving_status.router, open_inference_status.router, mlflow.router]
    return [*others, azure.router, *of_vertex]


def exchange_at(settings: Settings) -> ExchangeAt:
    """What finds the exchange that answers a `POST` to a path, if one does."""
    dataset = settings.default_dataset
    fixed: dict[str, Callable[[], Exchange]] = {
        "/predict": OwnExchange,
        "/invocations": lambda: mlflow.Invocations(dataset),
        "/score": lambda: azure.Score(dataset),
    }
    if settings.predict_route:
        fixed[settings.predict_route] = lambda: vertex.Predict(dataset)

    def find(path: str) -> Exchange | None:
        if make := fixed.get(path):
            return make()
        if path.startswith("/v1/"):
            return tensorflow_serving.exchange_at(path)
        if path.startswith("/v2/"):
            return open_inference.exchange_at(path)
        return None

    return find


def wording_at(settings: Settings) -> Callable[[str], Wording | None]:
    """What finds how a refusal is worded at a path; None is as a problem."""
    wordings = {"/score": refusals.AZURE, **dict.fromkeys(OF_MLFLOW, refusals.MLFLOW)}
    of_vertex = (settings.health_route, settings.predict_route)
    wordings |= dict.fromkeys(("/v2", *filter(None, of_vertex)), refusals.ERROR)

    def find(path: str) -> Wording | None:
        if path.startswith(("/v1/", "/v2/")):
            return refusals.ERROR
        return wordings.get(path)

    return find
