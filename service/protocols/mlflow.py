"""The scoring protocol of MLflow's servers, which SageMaker's containers speak, too."""

from collections.abc import Callable
from functools import partial
from importlib.metadata import version as version_of_package

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from service.errors import Invalid, NotFound
from service.http.json_body import MEDIA_TYPE
from service.predict.exchange import Headers
from service.predict.formats import csv_format
from service.predict.formats.question import Choice, Features, Question
from service.protocols import json_rows, refusals, served
from service.protocols.documented import request_body
from service.protocols.json_exchange import ChoosingExchange
from service.protocols.json_rows import ABSENT, Split
from service.schemas import Schema

CSV = "text/csv"


class _Body(msgspec.Struct):
    dataframe_split: Split | None = None
    dataframe_records: msgspec.Raw = ABSENT
    instances: msgspec.Raw = ABSENT
    inputs: msgspec.Raw = ABSENT
    params: Choice | None = None


BODY = request_body(
    {
        "a data frame": {
            "dataframe_split": {"columns": ["x0", "x1", "x2"], "data": [[0.5, 0.5, 0.5]]}
        },
        "records": {"dataframe_records": [{"x0": 1, "x1": 0.5, "x2": 0}]},
    },
    **{CSV: {"schema": {"type": "string", "format": "binary"}}},
)

_decode = msgspec.json.Decoder(_Body).decode

READERS: dict[str, Callable[..., Features]] = {
    "dataframe_split": json_rows.split,
    "dataframe_records": json_rows.instances,
    "instances": json_rows.instances,
    "inputs": json_rows.inputs,
}


class Invocations(ChoosingExchange):
    """`POST /invocations`: rows of a data frame, or in the forms of TensorFlow Serving, or CSV."""

    wording = refusals.MLFLOW
    takes = (MEDIA_TYPE, CSV)

    def begin(self, headers: Headers, query: bytes) -> None:
        super().begin(headers, query)
        self.by_arrow = self.media_type == CSV

    def refuse_too_many(self, body: bytes, most: int) -> None:
        if not self.by_arrow:
            super().refuse_too_many(body, most)

    def ask(self, body: bytes) -> Question:
        if self.by_arrow:
            return self.about(None, partial(csv_format.read, body))
        return super().ask(body)

    def ask_json(self, body: bytes) -> Question:
        asked = _decode(body)
        given = [name for name in READERS if getattr(asked, name)]
        if len(given) != 1:
            received = " and ".join(given) or "none of them"
            raise Invalid(f"the body must hold one of {', '.join(READERS)}; received {received}")
        (name,) = given
        self.rows = f"{name}.data" if name == "dataframe_split" else name
        self.by_column = name == "inputs"
        return self.about(asked.params, partial(READERS[name], getattr(asked, name)))

    def most_rows(self, body: bytes) -> int:
        return csv_format.most_rows(body) if self.by_arrow else super().most_rows(body)


health = APIRouter(tags=["MLflow, SageMaker"])
"""Which asks for no key."""

router = APIRouter(tags=["MLflow, SageMaker"])


class Scored(Schema):
    """The predictions in the order of the rows."""

    predictions: list[float]


@health.get("/health", response_class=Response, responses=served.UNREADY)
@health.get("/ping", response_class=Response, responses=served.UNREADY)
async def ping(request: Request) -> Response:
    """Whether the service can predict; 503 if not."""
    return Response(status_code=200 if await served.is_ready(request.app.state) else 503)


@router.get("/version", response_class=PlainTextResponse)
async def get_version() -> str:
    """The version of the service."""
    return version_of_package("crosscheck")


@router.post("/invocations", openapi_extra=BODY)
async def invoke() -> Scored:
    """Predicts the rows of a data frame, as pandas splits it or by records; or rows, or columns.

    Exactly one of `dataframe_split`, `dataframe_records`, `instances` and `inputs` is there, or CSV
    with a header. `dataset`, `model` and `version` may stand in `params` or in the URL's query.
    """
    raise NotFound("there is no such path")  # before this, the predictor has answered
