"""What is asked of `POST /predict`, whatever its format, and what all formats refuse alike."""

import re
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import parse_qsl

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.config import ModelName
from models.schema import DATASET_NAME, TRIPLES
from service.errors import Invalid
from service.schemas import LAST_VERSION

Features = dict[str, NDArray[Any]]
"""What a network takes, by the names of its inputs; the rows lie along the first axis."""

Predictions = NDArray[np.floating[Any]]


TOO_MANY_ROWS = "instances: more than {} rows in one request"


PREVIOUS: Literal["previous"] = "previous"

Version = float | Literal["previous"]
"""A whole number: 1, or 1.0, which JSON Schema takes for the same; or what served before."""


class Question(NamedTuple):
    """Who is to predict, and what: as it came, until it is known which columns that one takes."""

    dataset: str
    model: ModelName | None
    version: Version | None
    """Of the model or, where none is named, of the one that answers by default."""
    instances: Any

    def about(self, instances: Any) -> "Question":
        """The same question about other rows."""
        return Question(self.dataset, self.model, self.version, instances)


class Limits(NamedTuple):
    """How much one request may bring."""

    rows: int
    bytes: int


_Version = (
    Annotated[int, msgspec.Meta(ge=1, le=LAST_VERSION)]
    | Annotated[float, msgspec.Meta(ge=1, le=LAST_VERSION, multiple_of=1)]
)
# Pydantic's `$` is the end of a text; that of Python lets a new line follow.
_DatasetName = Annotated[str, msgspec.Meta(pattern=rf"^{DATASET_NAME}\Z")]


class Choice(msgspec.Struct, forbid_unknown_fields=True):
    """Who is to predict: in JSON beside the instances, in other formats in the URL's query."""

    dataset: _DatasetName | None = None
    model: ModelName | None = None
    version: _Version | None = None

    def of(self, instances: Any) -> Question:
        """The question that chooses so. Raises Invalid for a version of no model."""
        if self.version is not None and self.model is None:
            raise Invalid("version: it needs `model` beside it")
        return Question(self.dataset or TRIPLES, self.model, self.version, instances)


NO_CHOICE = Choice()


@lru_cache(maxsize=256)  # clients send the same few
def choice(query: bytes) -> Choice:
    """What a URL's query chooses. Raises Invalid for anything else there."""
    if not query:
        return NO_CHOICE
    try:
        given = dict(parse_qsl(query.decode("ascii"), keep_blank_values=True))
        return msgspec.convert(given, Choice, strict=False)
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        raise Invalid(element_first(str(error))) from None


def refuse_first(wrong: NDArray[np.bool_], what: str, column: str = "") -> None:
    """Raises Invalid for the first element of `instances` that is `wrong`, if there is one."""
    if wrong.any():
        place = "".join(f"[{index}]" for index in np.argwhere(wrong)[0])
        raise Invalid(f"instances{place}{column}: {what}")


def finite_predictions(predictions: Predictions) -> Predictions:
    """The predictions. Raises Invalid if one is not finite: JSON has no word for it."""
    refuse_first(~np.isfinite(predictions), "its prediction is not a finite number")
    return predictions


def element_first(message: str) -> str:
    """`Expected `float`, got `str` - at `$.instances[3][1]`` names the element first."""
    found = re.fullmatch(r"(.*) - at `\$\.?(.*)`", message, re.DOTALL)
    return f"{found[2]}: {found[1]}" if found else f"the body: {message}"
