"""What a table's columns are, and what is to be learned from them."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

DATASET_NAME = r"[a-z0-9][a-z0-9_-]{0,63}"
DatasetName = Annotated[str, Field(pattern=f"^{DATASET_NAME}$")]

TRIPLES = "triples"
"""The built-in dataset: the synthetic triples of the experiment."""

Kind = Literal["numeric", "categorical"]
Type = Literal["number", "boolean", "text", "code"]
Task = Literal["regression", "binary"]

KINDS: Mapping[Type, Kind] = {
    "number": "numeric",
    "boolean": "numeric",
    "text": "categorical",
    "code": "categorical",
}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Part):
    """A feature of a table."""

    name: str
    type: Type = Field(description="A boolean counts as 0 or 1; a code is a whole number as text.")

    @property
    def kind(self) -> Kind:
        """Whether its values are numbers, or words of a vocabulary."""
        return KINDS[self.type]


class TableSchema(_Part):
    """The columns of a table. All of its revisions have the same ones."""

    features: tuple[Column, ...]
    target: str
    task: Task
    classes: tuple[str, str] | None = Field(
        default=None, description="Of a binary target: the negative one, and the positive one."
    )
    others: tuple[str, ...] = Field(
        default=(), description="Neither features nor target; rows can be ordered by them."
    )

    @property
    def numeric(self) -> tuple[Column, ...]:
        """The features that are numbers, in their order."""
        return tuple(column for column in self.features if column.kind == "numeric")

    @property
    def categorical(self) -> tuple[Column, ...]:
        """The features that are words of a vocabulary, in their order."""
        return tuple(column for column in self.features if column.kind == "categorical")
