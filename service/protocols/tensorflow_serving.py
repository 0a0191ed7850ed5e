"""TensorFlow Serving's REST API: `:predict`, `:regress` and `:classify`.

As there, the content type is passed over, and so are members of the body that are not known.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec
from starlette.responses import Response

from models.schema import TRIPLES
from service.errors import Conflict, CrosscheckError, Invalid, NotFound, excerpt
from service.http import json_body
from service.predict.exchange import Answer, Exchange, Headers
from service.predict.formats.json_format import matrix, write_array
from service.predict.formats.question import PREVIOUS, Predictions, Question, element_first
from service.predict.loaded import Loaded
from service.protocols import json_rows, names
from service.protocols.json_exchange import JSON, JsonExchange, refuse_query
from service.protocols.json_rows import ABSENT, Triple, Unread

SIGNATURE = "serving_default"

Verb = Literal["predict", "regress", "classify"]

T = TypeVar("T", bound="_Signed")

_at = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/([^/:]+)|/labels/([^/:]+))?:(predict|regress|classify)"
).fullmatch


class _Signed(msgspec.Struct, kw_only=True):
    signature_name: str | None = None


class _Triples(_Signed):
    """Triples as arrays: what is asked most, and read at once."""

    instances: list[Triple] | None = None
    inputs: list[Triple] | None = None


class _Rows(_Signed):
    instances: msgspec.Raw = ABSENT
    inputs: msgspec.Raw = ABSENT


class _Examples(_Signed):
    examples: list[dict[str, Any]] = msgspec.field()
    context: dict[str, Any] = {}


_decode_triples = msgspec.json.Decoder(_Triples).decode
_decode_rows = msgspec.json.Decoder(_Rows).decode
_decode_examples = msgspec.json.Decoder(_Examples, float_hook=float).decode


class Servable(NamedTuple):
    """A version of a model, as a path names it."""

    model: str
    version: str | None = None
    label: str | None = None

    def ask(self) -> Question:
        """The question that is for it, without rows. Raises NotFound or Invalid if it cannot be."""
        return names.read(self.model).ask(names.version_of(self.version, self.label))

    def refusal(self, refusal: CrosscheckError) -> CrosscheckError:
        """The refusal as TensorFlow Serving words it, where it does."""
        if not isinstance(refusal, NotFound | Conflict):
            return refusal
        if self.label == PREVIOUS:
            return Invalid(f"Unrecognized servable version label: {self.label}")
        which = (
            f"Specific({self.model}, {self.version})" if self.version else f"Latest({self.model})"
        )
        why = f": {refusal.detail}" if isinstance(refusal, Conflict) else ""
        return NotFound(f"Servable not found for request: {which}{why}")


def exchange_at(path: str) -> Exchange | None:
    """The exchange that answers a `POST` to this path."""
    if not (found := _at(path)):
        return None
    *servable, verb = found.groups()
    return EXCHANGES[verb](Servable(*servable))


class Predict(JsonExchange):
    """`:predict`, row by row (`instances`) or column by column (`inputs`)."""

    def __init__(self, servable: Servable) -> None:
        self.servable = servable

    def begin(self, headers: Headers, query: bytes) -> None:
        refuse_query(query)
        self._asked = self.servable.ask()

    def ask(self, body: bytes) -> Question:
        try:
            rows = self.rows_in(body, self._asked.dataset == TRIPLES)
        except json_body.UNREADABLE as error:
            return self.ask(json_body.without_mark(body, error))
        return self._asked.about(rows)

    def rows_in(self, body: bytes, are_triples: bool) -> Unread:
        """What is read of a body, or who reads it."""
        if are_triples:
            try:
                triples = _decode_triples(body)
            except msgspec.ValidationError:
                pass
            else:
                _check(triples)
                self._choose(triples.instances is not None, triples.inputs is not None)
                return matrix(triples.instances or triples.inputs or [])
        asked = _decoded(_decode_rows, body)
        self._choose(bool(asked.instances), bool(asked.inputs))
        if self.by_column:
            return partial(json_rows.inputs, asked.inputs)
        return partial(json_rows.instances, asked.instances)

    def _choose(self, by_row: bool, by_column: bool) -> None:
        if by_row and by_column:
            raise Invalid("expecting only one of 'inputs' or 'instances' keys to exist")
        if not (by_row or by_column):
            raise Invalid("Missing 'inputs' or 'instances' key")
        if by_column:
            self.rows, self.by_column = "inputs", True

    def write(self, predictions: Predictions, loaded: Loaded) -> Answer:
        name = b"outputs" if self.by_column else b"predictions"
        rows = write_array(predictions).replace(b",", b"],[")
        return b'{"%b":[%b]}' % (name, rows), JSON

    def refuse(self, refusal: CrosscheckError) -> Response:
        return super().refuse(self.servable.refusal(refusal))


class Regress(Predict):
    """`:regress`: examples, which are objects by column name, and what all of them share."""

    rows = "examples"

    def rows_in(self, body: bytes, are_triples: bool) -> Unread:
        asked = _decoded(_decode_examples, body)
        return partial(json_rows.examples, asked.examples, asked.context)

    def write(self, predictions: Predictions, loaded: Loaded) -> Answer:
        return b'{"results":%b}' % write_array(predictions), JSON


class Classify(Regress):
    """`:classify`, for a binary target: both classes with their probabilities."""

    def write(self, predictions: Predictions, loaded: Loaded) -> Answer:
        classes = loaded.intake.schema.classes
        if classes is None:
            raise Invalid(f"{loaded.intake.schema.target} is a number: ask with :regress")
        no, yes = map(msgspec.json.encode, classes)
        numbers = zip(*(_numbers(each) for each in (1 - predictions, predictions)), strict=True)
        results = [b"[[%b,%b],[%b,%b]]" % (no, least, yes, most) for least, most in numbers]
        return b'{"results":[%b]}' % b",".join(results), JSON


EXCHANGES: dict[str, type[Predict]] = {
    "predict": Predict,
    "regress": Regress,
    "classify": Classify,
}


def _decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    try:
        asked = decode(body)
    except msgspec.ValidationError as error:
        raise Invalid(element_first(str(error))) from None
    _check(asked)
    return asked


def _check(asked: _Signed) -> None:
    if asked.signature_name not in (None, "", SIGNATURE):
        name = excerpt(asked.signature_name)
        raise Invalid(f"Serving signature name: {name} not found in signature def")


def _numbers(predictions: Predictions) -> list[bytes]:
    return write_array(predictions)[1:-1].split(b",")
