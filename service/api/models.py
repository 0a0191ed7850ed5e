"""`/metrics` and `/models`: the comparison of a dataset's networks, and the versions behind it."""

from asyncio import to_thread
from contextlib import suppress
from itertools import islice
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from models.config import MODEL_NAMES, ModelName
from models.schema import TRIPLES, DatasetName
from service.api import fleet, scrape
from service.api.dependencies import TheJobs, TheModels, TheModelsOf
from service.api.json_route import JsonRoute
from service.errors import NotFound, Unavailable
from service.jobs.store import JobStore
from service.predict.following import EPOCH, Following
from service.predict.residuals import Residuals, ResidualsOf
from service.registry import comparison, promotion
from service.registry.shapes import Comparison, Interactions, Trial
from service.registry.versions import Registry
from service.schemas import (
    Default,
    History,
    Model,
    Models,
    Promotion,
    Version,
    VersionNumber,
    VersionSummary,
)
from service.telemetry import trials
from service.telemetry.counting import Counting
from service.telemetry.negotiation import is_scrape
from service.telemetry.tally import total

router = APIRouter(tags=["models"], route_class=JsonRoute)

EPOCH_HEADER = {
    "X-Serving-Epoch": {
        "schema": {"type": "integer"},
        "description": "It grows with each change of what serves of the dataset. Who sends it "
        "with a question is not answered by an older state.",
    }
}


@router.get("/metrics", response_model=Comparison, responses={200: scrape.DOCUMENTED})
async def metrics(
    request: Request,
    response: Response,
    models: TheModels,
    jobs: TheJobs,
    dataset: DatasetName | None = None,
    job_id: UUID | None = None,
    wanted: Annotated[Literal["json", "prometheus"] | None, Query(alias="format")] = None,
) -> Comparison | Response:
    """The comparison of a dataset's serving versions, or of what one job published.

    To a scraper, whose `Accept` wants text more than JSON, the metrics of the service itself, in
    Prometheus's text format; `format` says so whatever the `Accept`.
    """
    accept = ",".join(request.headers.getlist("accept"))
    if wanted == "prometheus" or (wanted is None and is_scrape(accept)):
        return await scrape.answer(request)
    response.headers["Vary"] = "Accept"
    if job_id is None:
        found = await to_thread(comparison.of_serving, models)
        tried = await _trials(models, request.app.state.counting)
        return found.model_copy(update={"trials": tried})
    if dataset is None:
        models = models.of(await _dataset_of(str(job_id), jobs))
    return await to_thread(comparison.of_job, models, str(job_id))


async def _trials(models: Registry, counting: Counting) -> list[Trial]:
    """What is tried beside what serves, and what it has answered on this machine."""
    last = await to_thread(lambda: {name: models.last_change(name) for name in MODEL_NAMES})
    tried = [(name, change) for name, change in last.items() if change and change.canary]
    if not tried:
        return []
    counted = total(told.tally for told in counting.all())
    return [
        Trial(
            network=name,
            version=change.version,
            canary=change.canary,
            since=change.changed_at,
            rows=trials.rows(counted, models.dataset, name, change.epoch),
        )
        for name, change in tried
    ]


async def _dataset_of(job_id: str, jobs: JobStore) -> str:
    """The dataset of a job; that of most, where the database does not know or answer."""
    with suppress(NotFound, Unavailable):
        return (await jobs.get(job_id)).config.dataset.name
    return TRIPLES


@router.get("/models")
async def list_models(
    request: Request,
    models: TheModels,
    limit: Annotated[int, Query(ge=1, le=1000, description="Versions of each.")] = 1000,
) -> Models:
    """A dataset's networks and their newest versions, and which one answers where none is named."""
    found = [await to_thread(_model, models, name, limit) for name in MODEL_NAMES]
    default = await _default(request, models.dataset)
    return Models(dataset=models.dataset, models=found, default=default)


async def _default(request: Request, dataset: str) -> Default | None:
    following: Following = request.app.state.following
    try:
        serving = await following.of(dataset)
    except NotFound:  # a version that vanished as it was looked at; the next look is soon
        return None
    if serving.default is None:
        return None
    loaded, reason = serving.default
    return Default(model=loaded.model, version=loaded.version, reason=reason)


@router.get("/models/{dataset}/{network}")
def get_model(
    models: TheModelsOf,
    network: ModelName,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    cursor: VersionNumber | None = None,
) -> Model:
    """One network and its versions, newest first."""
    return _model(models, network, limit, cursor)


def _model(
    models: Registry, network: ModelName, limit: int = 1000, cursor: int | None = None
) -> Model:
    versions = [
        VersionSummary(
            version=version.version,
            serving=version.serving,
            created_at=version.metadata.created_at,
            job_id=version.metadata.job_id,
            refused=version.metadata.refused,
            **version.metadata.scores,
        )
        for version in islice(models.versions(network, cursor), limit + 1)
    ]
    return Model(
        dataset=models.dataset,
        name=network,
        serving=models.serving(network),
        versions=versions[:limit],
        next_cursor=versions[limit - 1].version if len(versions) > limit else None,
    )


@router.get("/models/{dataset}/{network}/versions/{number}")
def get_version(models: TheModelsOf, network: ModelName, number: VersionNumber) -> Version:
    """One version and all that it knows of itself."""
    return models.version(network, number)


@router.get("/models/{dataset}/{network}/versions/{number}/interactions")
def get_interactions(
    models: TheModelsOf, network: ModelName, number: VersionNumber
) -> Interactions:
    """Which features a version depends on, and which ones its cross layers multiply."""
    return comparison.interactions(models, network, number)


@router.get("/models/{dataset}/{network}/versions/{number}/residuals")
async def get_residuals(
    request: Request, models: TheModelsOf, network: ModelName, number: VersionNumber
) -> Residuals:
    """Predicted against true on the rows that a version held out, and what is off over features."""
    residuals: ResidualsOf = request.app.state.residuals
    return await residuals.version(models, network, number)


@router.get("/models/{dataset}/{network}/history")
def get_history(
    models: TheModelsOf,
    network: ModelName,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> History:
    """What served and serves of a network, newest change first."""
    return History(changes=models.changes(network, limit))


@router.put("/models/{dataset}/{network}/serving", responses={200: {"headers": EPOCH_HEADER}})
async def promote(
    request: Request,
    response: Response,
    models: TheModelsOf,
    network: ModelName,
    wanted: Promotion,
    wait: Annotated[Literal["fleet"] | None, Query()] = None,
) -> Version:
    """Makes a version the serving one: promotes a new one or rolls back to an old one.

    With a `canary`, that version answers so many percent of those who name an `X-Canary-Key`.
    With `wait=fleet`, the answer comes when nobody who is ready answers as before any more.
    """
    number, key = wanted.version, request.scope.get("key")
    await to_thread(promotion.promote, models, network, number, key, wanted.canary)
    following: Following = request.app.state.following
    epoch = (await following.of(models.dataset)).epoch
    if wait is not None:
        await fleet.wait(request.app.state)
    response.headers[EPOCH.decode()] = str(epoch)  # later ones are not promised
    return await to_thread(models.version, network, number)
