"""What the exchanges of protocols that speak JSON have in common."""

from starlette.responses import Response

from service.errors import CrosscheckError, Invalid, excerpt
from service.predict.exchange import Exchange
from service.predict.formats import json_format
from service.predict.formats.intake import Intake
from service.predict.formats.question import Features, Limits
from service.protocols import refusals
from service.protocols.json_rows import Unread

JSON = [(b"content-type", b"application/json")]


class JsonExchange(Exchange):
    """Reads rows by what stands for the instances of its question."""

    wording = refusals.ERROR

    rows = "instances"
    """What a client calls its rows."""

    by_column = False
    """Whether the rows came as columns."""

    def refuse_too_many(self, body: bytes, most: int) -> None:
        json_format.refuse_too_many(body, 2 * most)  # a row may be an array in an object

    def most_rows(self, body: bytes) -> int:
        return body.count(b",") + 1 if self.by_column else json_format.most_rows(body)

    def read(self, instances: Unread, intake: Intake, limits: Limits) -> Features:
        return instances if isinstance(instances, dict) else instances(intake, limits)

    def refuse(self, refusal: CrosscheckError) -> Response:
        detail = refusal.detail
        if detail.startswith("instances"):
            detail = self.rows + detail.removeprefix("instances")
        return self.wording.refuse(refusal.status, detail, refusal.headers)


def refuse_query(query: bytes) -> None:
    """Raises Invalid for a URL's query, where the path names all that can be chosen."""
    if query:
        name = query.partition(b"=")[0].decode("latin-1")
        raise Invalid(f"{excerpt(name)} is no parameter of this")
