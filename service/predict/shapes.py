"""The JSON of `POST /predict` and of its example, as the OpenAPI document has them."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from models.config import ModelName
from models.schema import TRIPLES, DatasetName, Task
from service.schemas import Schema, VersionNumber

VERSION_NEEDS_MODEL: list[JsonValue] = [
    {"properties": {"version": {"type": "null"}}},
    {"properties": {"model": {"type": "string"}}, "required": ["model"]},
]


class Triple(Schema):
    """An instance of the built-in dataset, by its columns."""

    x0: float
    x1: float
    x2: float


Value = float | bool | str | None
"""Of a number, a boolean, a text or a code; null is missing."""


class _Choice(Schema):
    """Who is to predict."""

    model_config = ConfigDict(json_schema_extra={"anyOf": VERSION_NEEDS_MODEL})

    model: ModelName | None = Field(
        default=None, description="Default: the serving one that errs least on the same rows."
    )
    version: VersionNumber | None = Field(default=None, description="Default: the serving one.")


class PredictTriples(_Choice):
    """Triples to predict, by column name or in the order x0, x1, x2."""

    instances: list[Triple | Annotated[list[float], Field(min_length=3, max_length=3)]] = Field(
        min_length=1
    )
    dataset: Literal["triples"] | None = None


class PredictRows(_Choice):
    """Rows of a table to predict, by column name or in the order of its schema; may be mixed.

    A column that is absent is missing, as null is. `GET /datasets/{name}/example` has a body that
    works, and says which columns there are.
    """

    instances: list[dict[str, Value] | list[Value]] = Field(min_length=1)
    dataset: DatasetName = Field(json_schema_extra={"not": {"const": TRIPLES}})


class Example(Schema):
    """How to ask for predictions of a dataset."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    body: dict[str, JsonValue] = Field(description="Of `POST /predict`.")
    instance_schema: dict[str, JsonValue] = Field(
        alias="schema", description="JSON Schema of an instance that is an object."
    )
    target: str = Field(description="What is predicted.")
    task: Task = Field(description="Of a binary target, predictions are probabilities, …")
    classes: tuple[str, str] | None = Field(description="… of the second one of these.")


class PredictResponse(Schema):
    """The predictions in the order of the instances, and who made them."""

    predictions: list[float]
    model: ModelName
    version: int
