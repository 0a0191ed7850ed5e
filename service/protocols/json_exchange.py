"""What the exchanges of protocols that speak JSON have in common."""

import msgspec
from starlette.responses import Response

from service.errors import CrosscheckError, Invalid, TooLarge, excerpt
from service.http import json_body
from service.http.json_body import MEDIA_TYPE, check_content_type
from service.predict.exchange import Answer, Exchange, Headers
from service.predict.formats import json_format
from service.predict.formats.intake import Intake
from service.predict.formats.json_format import one_choice, write_array
from service.predict.formats.question import (
    NO_CHOICE,
    TOO_MANY_ROWS,
    Choice,
    Features,
    Limits,
    Predictions,
    Question,
    choice,
    element_first,
)
from service.predict.loaded import Loaded
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
        try:
            json_format.refuse_too_many(body, 2 * most)  # a row may be an array in an object
        except TooLarge:
            raise TooLarge(TOO_MANY_ROWS.format(most)) from None

    def most_rows(self, body: bytes) -> int:
        return body.count(b",") + 1 if self.by_column else json_format.most_rows(body)

    def read(self, instances: Unread, intake: Intake, limits: Limits) -> Features:
        return instances if isinstance(instances, dict) else instances(intake, limits)

    def refuse(self, refusal: CrosscheckError) -> Response:
        detail = refusal.detail
        if detail.startswith("instances"):
            detail = self.rows + detail.removeprefix("instances")
        return self.wording.refuse(refusal.status, detail, refusal.headers)


class ChoosingExchange(JsonExchange):
    """Chooses who is to answer in its body or in the URL's query, as `POST /predict` does."""

    takes: tuple[str, ...] = (MEDIA_TYPE,)

    def __init__(self, dataset: str) -> None:
        self._dataset = dataset
        """Which is meant where none is chosen."""

    def begin(self, headers: Headers, query: bytes) -> None:
        given = headers.get(b"content-type", b"").decode("latin-1")
        self.media_type = check_content_type(given, self.takes)
        self._in_query = choice(query) if query else NO_CHOICE

    def ask(self, body: bytes) -> Question:
        try:
            return self.ask_json(body)
        except msgspec.ValidationError as error:
            raise Invalid(element_first(str(error))) from None
        except json_body.UNREADABLE as error:
            return self.ask(json_body.without_mark(body, error))

    def ask_json(self, body: bytes) -> Question:
        """Reads what is asked in JSON. Raises what msgspec raises, too."""
        raise NotImplementedError

    def about(self, in_body: Choice | None, rows: Unread) -> Question:
        """The question about these rows."""
        chosen = one_choice(in_body or NO_CHOICE, self._in_query)
        question = chosen.of(rows)
        return question if chosen.dataset else question._replace(dataset=self._dataset)

    def write(self, predictions: Predictions, loaded: Loaded) -> Answer:
        return b'{"predictions":%b}' % write_array(predictions), JSON


def refuse_query(query: bytes) -> None:
    """Raises Invalid for a URL's query, where the path names all that can be chosen."""
    if query:
        name = query.partition(b"=")[0].decode("latin-1")
        raise Invalid(f"{excerpt(name)} is no parameter of this")
