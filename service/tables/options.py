"""What is asked of an upload's reader: what the columns are for, and how far it may go."""

import codecs
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from models.schema import Task
from service.errors import excerpt
from service.schemas import Schema

Format = Literal["csv", "parquet", "arrow", "ndjson"]


_is_url = re.compile(
    r"(s3|gs|az)://[^/*?\[\]#%\s]+(/[^/*?\[\]#%\\\x00-\x1f\x7f]*)*/[^/#%\\\x00-\x1f\x7f]*"
).fullmatch

_OF_NO_FILE = {"idna", "punycode", "raw_unicode_escape", "undefined", "unicode_escape", "utf_7"}


def _encoding(given: str) -> str:
    try:
        "".encode(given)  # some codecs are known, and turn no text into bytes
        name = codecs.lookup(given).name
    except (LookupError, ValueError):
        name = "undefined"
    if name.replace("-", "_") in _OF_NO_FILE:
        raise ValueError(
            f"{excerpt(given)} is no encoding; most files are utf-8, windows-1252 or utf-16"
        )
    return name


def _delimiter(given: str) -> str:
    if given in ("tab", r"\t"):
        return "\t"
    if len(given) != 1 or not given.isascii() or given.isalnum() or given in '"\r\n\0.-+':
        raise ValueError(r"it must be one sign, like ; or | (a tab is \t)")
    return given


def _url(given: str) -> str:
    parts = given.partition("://")[2].removesuffix("/").split("/")
    if not _is_url(given) or any(part.strip() in ("", ".", "..") for part in parts):
        raise ValueError(
            "it must be like s3://bucket/folder/*.parquet, with signs like * in its last part only"
        )
    return given


class Options(Schema):
    """What its columns are for and, where its bytes do not tell, how the file is written."""

    target: str = Field(min_length=1, description="The column to learn.")
    task: Task | None = Field(default=None, description="Default: as the target looks.")
    features: tuple[str, ...] | None = Field(
        default=None, description="Default: all columns but the target and those in `exclude`."
    )
    exclude: tuple[str, ...] = Field(
        default=(), description="Columns that are no features. Rows can still be ordered by them."
    )
    categorical: tuple[str, ...] = Field(
        default=(), description="Columns of whole numbers that are codes, and measure nothing."
    )
    missing: tuple[str, ...] = Field(
        default=(), description="Texts that mean a missing value, beside the empty one, null, NA …"
    )
    missing_target: Literal["refuse", "drop"] = Field(
        default="refuse", description="What becomes of a file with rows that lack the target."
    )
    url: Annotated[str, AfterValidator(_url)] | None = Field(
        default=None,
        description="Where the table stays, instead of being uploaded: Parquet in an object store, "
        "as `s3://bucket/folder/*.parquet`; with a slash at the end, all that is below.",
    )
    format: Format | None = Field(default=None, description="Default: as its first bytes say.")
    delimiter: Annotated[str, AfterValidator(_delimiter)] | None = Field(
        default=None, description="Of CSV. Default: as its first lines look."
    )
    decimal: Literal[".", ","] | None = Field(
        default=None, description="Of CSV. Default: as its numbers look."
    )
    encoding: Annotated[str, AfterValidator(_encoding)] | None = Field(
        default=None, description="Of CSV. Default: UTF-8, or as its byte order mark says."
    )

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> Self:
        if self.features is not None and self.exclude:
            raise ValueError("give `features` or `exclude`, not both")
        for named, columns in (("features", self.features), ("categorical", self.categorical)):
            if self.target in (columns or ()):
                raise ValueError(f"`{named}` must not hold the target")
        if self.target in self.exclude:
            raise ValueError("`exclude` must not hold the target")
        if self.url and (self.format or "parquet") != "parquet":
            raise ValueError(f"at a `url` there is Parquet, and not {self.format}")
        if self.decimal is not None and self.decimal == self.delimiter:
            raise ValueError("`decimal` and `delimiter` must differ")
        return self


class Bounds(Schema):
    """How far an upload's reader may go."""

    max_bytes: int = Field(ge=1, description="Of the file, decompressed.")
    max_rows: int = Field(ge=1)
    max_columns: int = Field(ge=1)
    max_distinct: int = Field(ge=1, description="Values of a categorical column.")
    memory_bytes: int = Field(ge=1, description="Of the process that reads.")
