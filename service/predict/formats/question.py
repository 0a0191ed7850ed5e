"""What is asked of `POST /predict`, whatever its format, and what all formats refuse alike."""

import re
from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.config import ModelName
from service.errors import Invalid
from service.schemas import LAST_VERSION

Features = NDArray[np.floating[Any]]


class Question(NamedTuple):
    """What is to be predicted, `(rows, 3)`, and by whom."""

    features: Features
    model: ModelName | None
    version: float | None
    """A whole number: 1, or 1.0, which JSON Schema takes for the same."""


_Version = (
    Annotated[int, msgspec.Meta(ge=1, le=LAST_VERSION)]
    | Annotated[float, msgspec.Meta(ge=1, le=LAST_VERSION, multiple_of=1)]
)


class Choice(msgspec.Struct, forbid_unknown_fields=True):
    """Who is to predict: in JSON beside the instances, in other formats in the URL's query."""

    model: ModelName | None = None
    version: _Version | None = None


def choice(query: bytes) -> tuple[ModelName | None, float | None]:
    """The model and the version in a URL's query. Raises Invalid for anything else there."""
    if not query:
        return None, None
    try:
        given = dict(parse_qsl(query.decode("ascii"), keep_blank_values=True))
        asked = msgspec.convert(given, Choice, strict=False)
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        raise Invalid(element_first(str(error))) from None
    return asked.model, asked.version


def finite(features: Features) -> Features:
    """The features. Raises Invalid if one is not finite: JSON has no word for it."""
    _refuse_first(~np.isfinite(features), "it is not a finite number")
    return features


def finite_predictions(predictions: Features) -> Features:
    """The predictions. Raises Invalid if one is not finite."""
    _refuse_first(~np.isfinite(predictions), "its prediction is not a finite number")
    return predictions


def _refuse_first(wrong: NDArray[np.bool_], what: str) -> None:
    """Raises Invalid for the first element of `instances` that is `wrong`, if there is one."""
    if wrong.any():
        place = "".join(f"[{index}]" for index in np.argwhere(wrong)[0])
        raise Invalid(f"instances{place}: {what}")


def element_first(message: str) -> str:
    """`Expected `float`, got `str` - at `$.instances[3][1]`` names the element first."""
    found = re.fullmatch(r"(.*) - at `\$\.?(.*)`", message, re.DOTALL)
    return f"{found[2]}: {found[1]}" if found else f"the body: {message}"
