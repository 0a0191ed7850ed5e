"""Other people's wire shapes, a file each: they ask what `POST /predict` asks.

What predicts is an `Exchange`, which goes before FastAPI; what tells of models is an endpoint.
"""

from collections.abc import Callable

from fastapi import APIRouter

from service.predict.exchange import Exchange, OwnExchange
from service.protocols import (
    open_inference,
    open_inference_status,
    refusals,
    tensorflow_serving,
    tensorflow_serving_status,
)
from service.protocols.refusals import Wording
from service.settings import Settings

ExchangeAt = Callable[[str], Exchange | None]

ROUTERS: list[APIRouter] = [tensorflow_serving_status.router, open_inference_status.router]

HEALTH: list[APIRouter] = [open_inference_status.health]
"""Which ask for no key."""


def exchange_at(settings: Settings) -> ExchangeAt:
    """What finds the exchange that answers a `POST` to a path, if one does."""

    def find(path: str) -> Exchange | None:
        if path == "/predict":
            return OwnExchange()
        if path.startswith("/v1/"):
            return tensorflow_serving.exchange_at(path)
        if path.startswith("/v2/"):
            return open_inference.exchange_at(path)
        return None

    return find


def wording_at(settings: Settings) -> Callable[[str], Wording | None]:
    """What finds how a refusal is worded at a path; None is as a problem."""

    def find(path: str) -> Wording | None:
        return refusals.ERROR if path.startswith(("/v1/", "/v2/")) or path == "/v2" else None

    return find
