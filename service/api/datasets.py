"""`/datasets`: tables come, are looked at, and go."""

import asyncio
import csv
import logging
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import model_validator

from models.config import MODEL_NAMES, TableDataset
from models.schema import TRIPLES, DatasetName
from service.api.dependencies import TheJobs, TheSettings, TheTables, TheUploads
from service.errors import Conflict, Invalid, NotFound, Unavailable, excerpt
from service.http.connection import GOES_ON
from service.jobs.store import JobStore
from service.nearest import did_you_mean
from service.schemas import VersionNumber
from service.tables.options import Format, Options
from service.tables.revisions import (
    THE_TRIPLES,
    Dataset,
    Datasets,
    DatasetSummary,
    Description,
    RevisionSummary,
    Rows,
)
from service.tables.rows import first_rows
from service.tables.store import Tables

logger = logging.getLogger(__name__)

router = APIRouter(tags=["datasets"])

FORMATS: dict[str, Format] = {
    "text/csv": "csv",
    "application/vnd.apache.parquet": "parquet",
    "application/vnd.apache.arrow.stream": "arrow",
    "application/x-ndjson": "ndjson",
}
"""Of other content types the first bytes tell: many clients name one without being asked."""

OF_NETWORKS = {*MODEL_NAMES, "deep_cross"}

BODY: dict[str, Any] = {
    "requestBody": {
        "required": False,  # a table at a `url` comes without
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}}
            for media_type in (*FORMATS, "application/octet-stream")
        },
    }
}


class Asked(Options):
    """Options as they stand in a URL: a list is repeated, or is CSV."""

    @model_validator(mode="before")
    @classmethod
    def _split(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {
            name: list(_texts(value)) if isinstance(value, list | tuple) else value
            for name, value in given.items()
        }


def _texts(values: Iterable[str]) -> Iterator[str]:
    for value in values:
        for line in csv.reader(value.splitlines(keepends=True), skipinitialspace=True):
            yield from line


async def _replaceable(name: DatasetName) -> str:
    if name == TRIPLES:
        raise Conflict(f"{name} is the built-in dataset: it stays as it is")
    if name in OF_NETWORKS:
        raise Conflict(f"{name} is the name of a network: call the dataset something else")
    return name


async def _has_known_parameters(request: Request) -> None:
    for name in request.query_params:
        if name not in Options.model_fields:
            near = did_you_mean(name, Options.model_fields)
            raise Invalid(f"{excerpt(name)} is no parameter of this{near}")
    if "target" not in request.query_params:
        raise Invalid("target: name the column to learn, like ?target=price")


Replaceable = Annotated[str, Depends(_replaceable)]


@router.put(
    "/datasets/{name}",
    status_code=201,
    dependencies=[Depends(_has_known_parameters)],
    max_body_size=sys.maxsize,  # uploads have a bound of their own
    openapi_extra=BODY,
    responses={200: {"model": Description, "description": "It is the newest one already."}},
)
async def put_dataset(
    request: Request,
    response: Response,
    uploads: TheUploads,
    jobs: TheJobs,
    settings: TheSettings,
    name: Replaceable,
    asked: Annotated[Asked, Query()],
) -> Description:
    """Makes a table a dataset, or the next revision of one that has the same columns.

    CSV, Parquet, an Arrow IPC stream or JSON lines: as the content type says, or the first bytes.
    Lists in the query are repeated or separated by commas. The same table once more makes no
    further revision. With `url` it stays in an object store, and is read there.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    given = asked.model_dump()
    said = None if asked.url else FORMATS.get(media_type)
    options = Options(**{**given, "format": asked.format or said})
    request.scope["state"][GOES_ON] = True
    coding = request.headers.get("content-encoding", "").encode("latin-1")
    made, is_new = await uploads.put(name, options, request.receive, coding)
    if is_new:
        await _remove_oldest(uploads.tables, jobs, name, settings.max_revisions)
    else:
        response.status_code = 200
    response.headers["Location"] = f"{settings.root_path}/datasets/{name}?revision={made.revision}"
    return made


async def _remove_oldest(tables: Tables, jobs: JobStore, name: str, keep: int) -> None:
    """Removes revisions that are too many; if that cannot be now, it is with the next one."""
    if len(await asyncio.to_thread(tables.numbers, name)) > keep:
        try:
            needed = {table.revision or 0 for table in await _in_use(jobs, name)}
            await asyncio.to_thread(tables.remove_oldest, name, keep, needed)
        except (Unavailable, OSError) as error:
            logger.error("the oldest revisions of %s stay for now: %s", name, error)


async def _in_use(jobs: JobStore, name: str) -> list[TableDataset]:
    """The tables of this name that jobs wait for or are trained on."""
    datasets = [config.dataset for config in await jobs.unfinished()]
    return [each for each in datasets if isinstance(each, TableDataset) and each.name == name]


@router.get("/datasets")
def list_datasets(
    tables: TheTables,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: DatasetName | None = None,
) -> Datasets:
    """The datasets by name, the built-in one among them."""
    names = sorted([*tables.names(), TRIPLES])
    names = names[bisect_right(names, cursor) if cursor else 0 :]
    return Datasets(
        datasets=[found for name in names[:limit] if (found := _summary(tables, name))],
        next_cursor=names[limit - 1] if len(names) > limit else None,
    )


def _summary(tables: Tables, name: str) -> DatasetSummary | None:
    try:
        description = THE_TRIPLES if name == TRIPLES else tables.revision(name)
    except NotFound:  # it was just removed, or it is damaged
        return None
    return DatasetSummary(
        name=name,
        revision=description.revision,
        created_at=description.created_at,
        rows=description.rows,
        features=len(description.features),
        target=description.target,
        task=description.task,
    )


@router.get("/datasets/{name}")
def get_dataset(
    tables: TheTables, name: DatasetName, revision: VersionNumber | None = None
) -> Dataset:
    """A dataset's columns and what is in them, by default in its newest revision."""
    if name == TRIPLES:
        if revision is not None:
            raise NotFound(f"{name} has no revisions: it never changes")
        return Dataset(**dict(THE_TRIPLES), revisions=[])
    description = tables.revision(name, revision)
    revisions = [
        RevisionSummary(revision=number, created_at=each.created_at, rows=each.contents.rows)
        for number, each in tables.whole(name)
    ]
    return Dataset(**dict(description), revisions=revisions)


@router.get("/datasets/{name}/rows")
def get_rows(
    tables: TheTables,
    name: DatasetName,
    revision: VersionNumber | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> Rows:
    """The first rows of a revision, by default of the newest one."""
    if name == TRIPLES:
        raise NotFound(f"{name} has no rows of its own: each job draws them")
    number, _ = tables.find(name, revision)
    rows = first_rows(tables, name, number, limit)
    return Rows(name=name, revision=number, rows=rows)


@router.delete("/datasets/{name}", status_code=204)
async def delete_dataset(tables: TheTables, jobs: TheJobs, name: Replaceable) -> None:
    """Removes a dataset: its revisions, and the models that were trained on it."""
    if await _in_use(jobs, name):
        raise Conflict(f"a job needs {name}: wait for its end, or cancel it")
    await asyncio.to_thread(tables.remove, name)
