"""What served models are called in other protocols.

A dataset's name stands for the network of it that answers by default, `{dataset}.{network}` for
one of them; networks of triples need not say so: `cross`, `dense`. Neither a dataset nor a network
has a dot in its name, and no dataset is called like a network.
"""

import re
from functools import lru_cache
from typing import NamedTuple, cast

from models.config import MODEL_NAMES, ModelName
from models.schema import DATASET_NAME, TRIPLES
from service.errors import Invalid, NotFound, excerpt
from service.predict.formats.question import PREVIOUS, Question, Version
from service.schemas import LAST_VERSION

LABELS = {"serving": None, PREVIOUS: PREVIOUS}
"""What may stand in the place of a version's number, and which one it means."""

_is_dataset = re.compile(DATASET_NAME).fullmatch
_is_number = re.compile("[0-9]{1,19}").fullmatch


class Name(NamedTuple):
    """A served model: a network of a dataset, or the one that answers by default."""

    dataset: str
    network: ModelName | None

    def __str__(self) -> str:
        if self.network is None:
            return self.dataset
        return self.network if self.dataset == TRIPLES else f"{self.dataset}.{self.network}"

    def ask(self, version: Version | None) -> Question:
        """The question that is for one of its versions, or for the serving one, without rows."""
        return Question(self.dataset, self.network, version, None)


@lru_cache(maxsize=256)
def read(text: str) -> Name:
    """Raises NotFound for what can be no name of a model."""
    if text in MODEL_NAMES:
        return Name(TRIPLES, text)
    dataset, dot, network = text.partition(".")
    if _is_dataset(dataset) and (not dot or network in MODEL_NAMES):
        return Name(dataset, cast("ModelName", network) if dot else None)
    raise NotFound(f"there is no model {excerpt(text)}")


def version_of(number: str | None, label: str | None = None) -> Version | None:
    """The version that a path names, None where it names none.

    Raises:
        NotFound: No version has this number.
        Invalid: It is no number, or no label of a version.
    """
    if label is not None:
        if label not in LABELS:
            raise Invalid(f"Unrecognized servable version label: {label}")
        return LABELS[label]
    if number is None:
        return None
    if not _is_number(number):
        raise Invalid(f"the version must be a whole number, received {excerpt(number)}")
    version = int(number)
    if not 1 <= version <= LAST_VERSION:
        raise NotFound(f"there is no version {version}")
    return version
