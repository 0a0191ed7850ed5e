"""What is kept of a table beside its rows, and what is told of it."""

from datetime import datetime

from pydantic import Field, JsonValue

from models.schema import TRIPLES, Column, Task
from service.schemas import Schema
from service.tables.contents import ColumnProfile, Contents
from service.tables.options import Options


class Upload(Schema):
    """What came from a client, decompressed; of a table that stays elsewhere, what was found."""

    sha256: str
    bytes: int


class Stored(Schema):
    """What a revision knows of itself: `schema.json`. Its folder is its name and number."""

    created_at: datetime
    upload: Upload
    options: Options
    contents: Contents

    @property
    def made_at(self) -> str:
        """What tells it from another one of its name and number: those go with their dataset."""
        return self.created_at.isoformat()


class RevisionSummary(Schema):
    """A revision in a list."""

    revision: int
    created_at: datetime
    rows: int


class Description(Schema):
    """A revision of a dataset: its columns, and what is in them."""

    name: str
    revision: int | None = Field(default=None, description="None of the built-in dataset.")
    created_at: datetime | None = None
    rows: int
    dropped: int = Field(default=0, description="Rows that were left out: they lack the target.")
    target: str
    task: Task
    classes: tuple[str, str] | None = Field(
        default=None, description="Of a binary target: the negative one, and the positive one."
    )
    features: tuple[Column, ...]
    others: tuple[str, ...] = Field(default=(), description="Columns that rows can be ordered by.")
    profile: list[ColumnProfile]
    notes: list[str] = Field(description="How it was understood, and what to look at.")
    upload: Upload | None = None
    options: dict[str, JsonValue] = Field(default={}, description="Those that came with it.")

    @classmethod
    def of(cls, name: str, number: int, stored: Stored) -> "Description":
        """What is told of what is kept."""
        contents, schema = stored.contents, stored.contents.table_schema
        return cls(
            name=name,
            revision=number,
            created_at=stored.created_at,
            rows=contents.rows,
            dropped=contents.dropped,
            target=schema.target,
            task=schema.task,
            classes=schema.classes,
            features=schema.features,
            others=schema.others,
            profile=contents.profile,
            notes=contents.notes,
            upload=stored.upload,
            options=stored.options.model_dump(mode="json", exclude_defaults=True),
        )


class Dataset(Description):
    """A dataset: one of its revisions, and which there are."""

    revisions: list[RevisionSummary] = Field(description="Those that are kept, newest first.")


class DatasetSummary(Schema):
    """A dataset in a list."""

    name: str
    revision: int | None = Field(description="The newest; none of the built-in one.")
    created_at: datetime | None = Field(description="When that came.")
    rows: int
    features: int
    target: str
    task: Task


class Datasets(Schema):
    """A page of datasets, by name."""

    datasets: list[DatasetSummary]
    next_cursor: str | None = Field(default=None, description="Of the next page, if there is one.")


class Rows(Schema):
    """The first rows of a revision."""

    name: str
    revision: int
    rows: list[dict[str, JsonValue]] = Field(description="By column; null where one is missing.")


def _on_the_grid(name: str) -> ColumnProfile:
    return ColumnProfile(
        name=name,
        type="number",
        kind="numeric",
        role="feature",
        missing=0,
        distinct=200,
        least=0.0,
        greatest=0.995,
        mean=0.4975,
    )


THE_TRIPLES = Description(
    name=TRIPLES,
    rows=100_000,
    target="y",
    task="regression",
    features=tuple(Column(name=name, type="number") for name in ("x0", "x1", "x2")),
    profile=[_on_the_grid(name) for name in ("x0", "x1", "x2")],
    notes=[
        "the built-in dataset: y = x0² + x0·x1 + x1·x2 + x2², with x0, x1 and x2 drawn from "
        "{0, 1/200, …, 199/200}",
        "each job draws its own rows, as many as it asks for: `dataset.size`, `dataset.seed`",
    ],
)
