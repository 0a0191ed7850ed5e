"""Rows to predict, as files hold them and as `POST /predict` takes them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import typer

from service.commands.body import parsed

RowFormat = Literal["json", "ndjson", "csv", "npy", "arrow", "parquet"]

FORMATS: tuple[RowFormat, ...] = get_args(RowFormat)

SUFFIXES: Mapping[str, RowFormat] = {
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".csv": "csv",
    ".npy": "npy",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".parquet": "parquet",
    ".pq": "parquet",
}

FIRST_BYTES: Mapping[bytes, RowFormat] = {
    b"PAR1": "parquet",
    b"\x93NUMPY": "npy",
    b"\xff\xff\xff\xff": "arrow",
    b"ARROW1": "arrow",
}

MEDIA_TYPES: Mapping[RowFormat, str] = {
    "json": "application/json",
    "ndjson": "application/json",  # its rows become the instances of one body
    "csv": "text/csv",
    "npy": "application/x-npy",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}

AS_TEXT = ("json", "ndjson", "csv")


class Choice(NamedTuple):
    """Who is to predict; None leaves it to the service."""

    dataset: str | None
    model: str | None
    version: int | None


def known(name: str, option: str) -> RowFormat:
    """A format that an option names. Raises BadParameter."""
    found = next((each for each in FORMATS if each == name), None)
    if found is None:
        raise typer.BadParameter(f"'{name}' is none of {', '.join(FORMATS)}", param_hint=option)
    return found


def format_of(file: str) -> RowFormat:
    """The format of a file by its suffix. Raises BadParameter."""
    found = SUFFIXES.get(Path(file).suffix.lower())
    if found is None:
        known = ", ".join(SUFFIXES)
        raise typer.BadParameter(f"'{file}' is none of {known}: say what it is with --format")
    return found


def format_by_first_bytes(rows: bytes) -> RowFormat:
    """The format of rows that have no name; what looks like nothing else is CSV."""
    for first, found in FIRST_BYTES.items():
        if rows.startswith(first):
            return found
    text = rows.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text.startswith((b"{", b"[")):
        return "csv"
    try:
        parsed(text.decode())
    except ValueError:
        return "ndjson"  # or neither: then it is told of the row
    return "json"


def json_body(rows: bytes, given: RowFormat, choice: Choice) -> bytes:
    """The body that asks for predictions of rows in JSON. Raises BadParameter.

    JSON is such a body, or the array of its instances, or one instance; JSON lines are instances.
    """
    try:
        text = rows.decode("utf-8-sig")
        found = [*_lines(text)] if given == "ndjson" else parsed(text)
    except ValueError as error:
        raise typer.BadParameter(f"the rows are not JSON: {error}", param_hint="FILE") from None
    if not (isinstance(found, dict) and "instances" in found):
        found = {"instances": found if isinstance(found, list) else [found]}
    chosen = {name: value for name, value in choice._asdict().items() if value is not None}
    return json.dumps({**found, **chosen}).encode()


def _lines(text: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield parsed(line)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
