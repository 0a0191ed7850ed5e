"""How other protocols word a refusal."""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

from starlette.responses import Response

from service.errors import DETAIL_LENGTH, printable


class Wording(NamedTuple):
    """A protocol's words for what it refuses."""

    name: str
    document: Callable[[int, str], dict[str, str]]
    """What stands in JSON for a status and what there is to say."""

    def refuse(self, status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
        """The answer to what is refused with one of our statuses."""
        status = status_of(status)
        body = json.dumps(self.document(status, printable(detail, DETAIL_LENGTH)))
        return Response(body, status, headers, media_type="application/json")


def status_of(status: int) -> int:
    """What clients of other protocols expect instead of a status: they do not know 422."""
    return HTTPStatus.BAD_REQUEST if status == HTTPStatus.UNPROCESSABLE_ENTITY else status


ERROR = Wording("error", lambda status, detail: {"error": detail})
"""Of TensorFlow Serving, and of the Open Inference Protocol."""

MLFLOW_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}

MLFLOW = Wording(
    "mlflow",
    lambda status, detail: {
        "error_code": MLFLOW_CODES.get(status, MLFLOW_CODES[400]),
        "message": detail,
    },
)

AZURE = Wording("azure", lambda status, detail: {"message": detail})
