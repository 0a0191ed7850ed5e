"""Azure ML's inference server: `POST /score`, asked as its deployments of MLflow are."""

from functools import partial

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from service import access_log
from service.errors import CrosscheckError, Invalid, NotFound
from service.http import json_body
from service.predict.exchange import Answer, Headers
from service.predict.formats.intake import Intake
from service.predict.formats.json_format import write_array
from service.predict.formats.question import Choice, Features, Limits, Predictions, Question
from service.predict.loaded import Loaded
from service.protocols import json_rows, refusals
from service.protocols.documented import request_body
from service.protocols.json_exchange import JSON, ChoosingExchange
from service.protocols.json_rows import ABSENT, Split

CLIENT_ID = "x-ms-client-request-id"
"""Which comes back as it came."""

BODY = request_body(
    {
        "a data frame": {
            "input_data": {
                "columns": ["x0", "x1", "x2"],
                "index": [0],
                "data": [[0.5, 0.5, 0.5]],
            }
        },
        "rows": {"data": [[0.5, 0.5, 0.5]]},
    }
)


class _Body(msgspec.Struct):
    input_data: msgspec.Raw = ABSENT
    data: msgspec.Raw = ABSENT
    params: Choice | None = None


class _Frame(Split, kw_only=True):
    columns: list[str | int]


_decode = msgspec.json.Decoder(_Body).decode
_decode_frame = msgspec.json.Decoder(_Frame).decode


class Score(ChoosingExchange):
    """`input_data` is a data frame as pandas splits it, columns or rows; `data` are rows."""

    wording = refusals.AZURE
    _client_id: bytes | None = None  # a request may be refused before it begins

    def begin(self, headers: Headers, query: bytes) -> None:
        given = headers.get(CLIENT_ID.encode())
        self._client_id = access_log.request_id(given) if given else None
        super().begin(headers, query)

    def ask_json(self, body: bytes) -> Question:
        asked = _decode(body)
        if bool(asked.input_data) == bool(asked.data):
            raise Invalid("the body must hold input_data or data, and not both")
        if asked.data:
            self.rows = "data"
            return self.about(asked.params, partial(json_rows.instances, asked.data))
        self.rows, self.by_column = "input_data", True
        return self.about(asked.params, partial(_input_data, asked.input_data))

    def write(self, predictions: Predictions, loaded: Loaded) -> Answer:
        headers = [(CLIENT_ID.encode(), self._client_id)] if self._client_id else []
        return write_array(predictions), [*JSON, *headers]

    def refuse(self, refusal: CrosscheckError) -> Response:
        response = super().refuse(refusal)
        if self._client_id:
            response.headers[CLIENT_ID] = self._client_id.decode()
        return response


def _input_data(given: msgspec.Raw, intake: Intake, limits: Limits) -> Features:
    try:
        frame = _decode_frame(given)
    except (msgspec.ValidationError, *json_body.UNREADABLE):
        return json_rows.inputs(given, intake, limits)  # which says what is wrong with it
    return json_rows.split(frame, intake, limits)


router = APIRouter(tags=["Azure ML"])


@router.post("/score", openapi_extra=BODY)
async def score() -> list[float]:
    """Predicts the rows of a data frame, or rows.

    `dataset`, `model` and `version` may stand in `params` or in the URL's query.
    """
    raise NotFound("there is no such path")  # before this, the predictor has answered
