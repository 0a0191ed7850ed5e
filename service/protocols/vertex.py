"""Vertex AI's custom containers. On which routes they are asked, the platform says."""

from functools import partial

import msgspec
from fastapi import APIRouter, Response

from service.errors import NotFound
from service.predict.formats.question import Choice, Question
from service.protocols import json_rows, served
from service.protocols.documented import request_body
from service.protocols.json_exchange import ChoosingExchange
from service.protocols.mlflow import Scored, ping

BODY = request_body({"a triple": {"instances": [[0.5, 0.5, 0.5]]}})


class _Body(msgspec.Struct):
    instances: msgspec.Raw
    parameters: Choice | None = None


_decode = msgspec.json.Decoder(_Body).decode


class Predict(ChoosingExchange):
    """`{"instances": […]}`, and who is to answer in `parameters`."""

    def ask_json(self, body: bytes) -> Question:
        asked = _decode(body)
        return self.about(asked.parameters, partial(json_rows.instances, asked.instances))


def health(health_route: str) -> APIRouter:
    """Answers on the route on which Vertex AI asks whether the service can predict."""
    made = APIRouter(tags=["Vertex AI"])
    made.add_api_route(health_route, ping, response_class=Response, responses=served.UNREADY)
    return made


def router(predict_route: str) -> APIRouter:
    """Documents the route on which Vertex AI asks."""
    made = APIRouter(tags=["Vertex AI"])

    @made.post(predict_route, openapi_extra=BODY)
    async def predict() -> Scored:
        """Predicts rows. `dataset`, `model` and `version` may stand in `parameters`."""
        raise NotFound("there is no such path")  # before this, the predictor has answered

    return made
