"""An upload, and how far it is."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO

import httpx
from rich.filesize import decimal

from service.client import TRIES, Client, Failed, path_of
from service.commands.output import progress_bars

CHUNK_BYTES = 2**20


def dataset_name(file: str) -> str:
    """A name for the dataset of a file: `Houses 2024.csv.gz` is `houses-2024`."""
    stem = file.partition(".")[0].lower()
    return re.sub(r"[^a-z0-9_-]+", "-", stem).strip("_-")[:64] or "table"


def upload(
    service: Client, file: BinaryIO, name: str, parameters: dict[str, Any]
) -> dict[str, Any]:
    """Puts a file's table, with a progress bar; returns the dataset that it made."""
    repeatable = file.seekable()
    size = file.seek(0, 2) if repeatable else None
    with progress_bars() as bars:
        bar = bars.add_task("upload", total=size, state="")
        try:
            response = service.send(
                "PUT",
                path_of("datasets", name),
                parameters=parameters,
                headers={"Content-Length": str(size)} if size is not None else None,
                content=lambda: _chunks(file, size, partial(bars.update, bar)),
                timeout=httpx.Timeout(30, read=None),  # a large table is read for long
                tries=TRIES if repeatable else 1,
            )
        except Failed:
            bars.update(bar, total=1, completed=0, state="refused")
            raise
        made: dict[str, Any] = response.json()
        bars.update(bar, total=1, completed=1, state=decimal(made["upload"]["bytes"]))
    return made


def link(service: Client, url: str, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Makes a table that stays where it is a dataset; returns that."""
    made: dict[str, Any] = service.send(
        "PUT",
        path_of("datasets", name),
        parameters={**parameters, "url": url},
        timeout=httpx.Timeout(30, read=None),  # a large table is read for long
    ).json()
    return made


def _chunks(file: BinaryIO, size: int | None, tell: Callable[..., None]) -> Iterator[bytes]:
    if size is not None:
        file.seek(0)
    of_all = "" if size is None else f" of {decimal(size)}"
    sent = 0
    while chunk := file.read(CHUNK_BYTES):
        yield chunk
        sent += len(chunk)
        tell(completed=sent, state=f"{decimal(sent)}{of_all}")
    tell(total=None, state="the service reads it")
