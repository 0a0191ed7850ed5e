"""What an upload's reader tells of the table that it has read."""

from typing import Literal

from pydantic import ConfigDict, Field

from models.schema import Kind, TableSchema, Type
from service.schemas import Schema

Value = bool | float | str


class ColumnProfile(Schema):
    """What is in a column. Texts are cut to 60 characters."""

    name: str
    type: Type | Literal["time"]
    kind: Kind | None = Field(description="Of a feature.")
    role: Literal["feature", "target", "other"]
    missing: int = Field(description="Rows without a value.")
    distinct: int | None = Field(description="Values that differ; null: too many to count.")
    least: Value | None = Field(default=None, description="Of numbers and times.")
    greatest: Value | None = None
    mean: float | None = Field(
        default=None, description="Of numbers; of two classes, the share of the positive one."
    )
    most_frequent: list[tuple[Value, int]] = Field(
        default=[], description="Up to five values and their rows, if they could be counted."
    )
    notes: list[str] = Field(default=[], description="What a person should look at.")


class Contents(Schema):
    """A table that was read, checked and written as Parquet."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    table_schema: TableSchema = Field(alias="schema")  # which is a name of pydantic's own
    rows: int
    dropped: int = Field(default=0, description="Rows that were left out: they lack the target.")
    profile: list[ColumnProfile]
    notes: list[str] = Field(default=[], description="How the file was understood.")
