"""`/metrics` and `/models`: the comparison of a dataset's networks, and the versions behind it."""

from asyncio import to_thread
from contextlib import suppress
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from models.config import MODEL_NAMES, ModelName
from models.schema import TRIPLES, DatasetName
from service.api.dependencies import TheJobs, TheRegistry
from service.api.json_route import JsonRoute
from service.errors import NotFound, Unavailable
from service.jobs.store import JobStore
from service.predict.predictor import Predictor
from service.registry import comparison, promotion
from service.registry.versions import Registry
from service.schemas import (
    Comparison,
    Default,
    History,
    Model,
    Models,
    Promotion,
    Version,
    VersionNumber,
    VersionSummary,
)

router = APIRouter(tags=["models"], route_class=JsonRoute)


@router.get("/metrics")
async def metrics(
    registry: TheRegistry,
    jobs: TheJobs,
    dataset: DatasetName | None = None,
    job_id: UUID | None = None,
) -> Comparison:
    """The comparison of a dataset's serving versions, or of what one job published."""
    if job_id is None:
        return await to_thread(comparison.of_serving, registry.of(dataset or TRIPLES))
    if dataset is None:
        dataset = await _dataset_of(str(job_id), jobs)
    return await to_thread(comparison.of_job, registry.of(dataset), str(job_id))


async def _dataset_of(job_id: str, jobs: JobStore) -> str:
    """The dataset of a job; that of most, where the database does not know or answer."""
    with suppress(NotFound, Unavailable):
        return (await jobs.get(job_id)).config.dataset.name
    return TRIPLES


@router.get("/models")
async def list_models(
    request: Request, registry: TheRegistry, dataset: DatasetName = TRIPLES
) -> Models:
    """A dataset's networks and their versions, and which one answers where none is named."""
    of_dataset = registry.of(dataset)
    models = [await to_thread(_model, of_dataset, name) for name in MODEL_NAMES]
    return Models(dataset=dataset, models=models, default=await _default(request))


async def _default(request: Request) -> Default | None:
    predictor: Predictor = request.app.state.predictor
    with suppress(NotFound):  # a version that vanished as it was looked at; the next look is soon
        await predictor.refresh()
    if predictor.default is None:
        return None
    loaded, reason = predictor.default
    return Default(model=loaded.model, version=loaded.version, reason=reason)


@router.get("/models/{dataset}/{network}")
def get_model(registry: TheRegistry, dataset: DatasetName, network: ModelName) -> Model:
    """One network and its versions, newest first."""
    return _model(registry.of(dataset), network)


def _model(registry: Registry, network: ModelName) -> Model:
    versions = [
        VersionSummary(
            version=version.version,
            serving=version.serving,
            created_at=version.metadata.created_at,
            job_id=version.metadata.job_id,
            refused=version.metadata.refused,
            **version.metadata.scores,
        )
        for version in registry.versions(network)
    ]
    return Model(
        dataset=registry.dataset,
        name=network,
        serving=registry.serving(network),
        versions=versions,
    )


@router.get("/models/{dataset}/{network}/versions/{number}")
def get_version(
    registry: TheRegistry, dataset: DatasetName, network: ModelName, number: VersionNumber
) -> Version:
    """One version and all that it knows of itself."""
    return registry.of(dataset).version(network, number)


@router.get("/models/{dataset}/{network}/history")
def get_history(
    registry: TheRegistry,
    dataset: DatasetName,
    network: ModelName,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> History:
    """What served and serves of a network, newest change first."""
    return History(changes=registry.of(dataset).changes(network, limit))


@router.put("/models/{dataset}/{network}/serving")
def promote(
    request: Request,
    registry: TheRegistry,
    dataset: DatasetName,
    network: ModelName,
    wanted: Promotion,
) -> Version:
    """Makes a version the serving one: promotes a new one or rolls back to an old one."""
    key = request.scope.get("key")
    return promotion.promote(registry.of(dataset), network, wanted.version, key)
