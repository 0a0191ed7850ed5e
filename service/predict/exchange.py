"""One request for predictions, in whatever protocol: how it is read, answered and refused."""

from typing import Any

from starlette.responses import Response

from service.errors import CrosscheckError, problem
from service.predict import formats
from service.predict.following import ANYBODY
from service.predict.formats import json_format
from service.predict.formats.intake import Intake
from service.predict.formats.question import Features, Limits, Predictions, Question
from service.predict.loaded import Loaded

Headers = dict[bytes, bytes]

Answer = tuple[bytes, list[tuple[bytes, bytes]]]
"""A body, and the headers that tell what it is."""


class Exchange:
    """What a predictor asks of a protocol, in this order.

    All that raise, raise a CrosscheckError.
    """

    large_bytes = 100_000
    """A body above this is worked on in a thread, so that others need not wait, and few at once."""

    client = ANYBODY
    """Who asks."""

    by_arrow = False
    """Whether it needs pyarrow, which is imported for the first one."""

    def begin(self, headers: Headers, query: bytes) -> None:
        """Reads the headers, the request's id as `x-request-id` among them, and the URL's query."""
        raise NotImplementedError

    def refuse_too_many(self, body: bytes, most: int) -> None:
        """Raises TooLarge before many small rows of a large body take much memory."""

    def ask(self, body: bytes) -> Question:
        """Reads what is asked, but for the rows whose columns are not known yet."""
        raise NotImplementedError

    def most_rows(self, body: bytes) -> int:
        """No fewer than there are rows in the body that was asked with; 0 if it is read fast."""
        raise NotImplementedError

    def read(self, instances: Any, intake: Intake, limits: Limits) -> Features:
        """Reads the instances of a question by the columns of the version that answers."""
        raise NotImplementedError

    def write(self, predictions: Predictions, loaded: Loaded) -> Answer:
        """Writes predictions, and who made them."""
        raise NotImplementedError

    def refuse(self, refusal: CrosscheckError) -> Response:
        """Words a refusal."""
        return problem(refusal.status, refusal.detail, refusal.headers)


class OwnExchange(Exchange):
    """`POST /predict`, in all formats."""

    def begin(self, headers: Headers, query: bytes) -> None:
        self._asked_in = asked_in = formats.of_body(headers.get(b"content-type", b""))
        self._answer_in = answer_in = formats.of_answer(headers.get(b"accept", b""))
        self._query = query
        self.large_bytes = asked_in.large_bytes
        self.by_arrow = asked_in.by_arrow or answer_in.by_arrow

    def refuse_too_many(self, body: bytes, most: int) -> None:
        if self._asked_in is formats.JSON:
            json_format.refuse_too_many(body, most)

    def ask(self, body: bytes) -> Question:
        return self._asked_in.ask(body, self._query)

    def most_rows(self, body: bytes) -> int:
        return self._asked_in.most_rows(body)

    def read(self, instances: Any, intake: Intake, limits: Limits) -> Features:
        return self._asked_in.read(instances, intake, limits)

    def write(self, predictions: Predictions, loaded: Loaded) -> Answer:
        body = self._answer_in.write(predictions, loaded.model, loaded.version)
        return body, [(b"content-type", self._answer_in.content_type)]
