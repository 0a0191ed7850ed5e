"""`/metrics` and `/models`: the comparison, and the versions behind it."""

from contextlib import suppress
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from models.config import MODEL_NAMES, ModelName
from service.api.dependencies import TheRegistry
from service.api.json_route import JsonRoute
from service.errors import NotFound
from service.predict.predictor import Predictor
from service.registry import comparison, promotion
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
def metrics(registry: TheRegistry, job_id: UUID | None = None) -> Comparison:
    """The comparison of the serving versions, or of what one job published."""
    if job_id is not None:
        return comparison.of_job(registry, str(job_id))
    return comparison.of_serving(registry)


async def _default(request: Request) -> Default | None:
    predictor: Predictor = request.app.state.predictor
    with suppress(NotFound):  # a version that vanished as it was looked at; the next look is soon
        await predictor.refresh()
    if predictor.default is None:
        return None
    loaded, reason = predictor.default
    return Default(model=loaded.model, version=loaded.version, reason=reason)


@router.get("/models")
def list_models(
    registry: TheRegistry, default: Annotated[Default | None, Depends(_default)]
) -> Models:
    """Both networks and their versions, and which one answers where none is named."""
    models = [get_model(registry, name) for name in MODEL_NAMES]
    return Models(models=models, default=default)


@router.get("/models/{name}")
def get_model(registry: TheRegistry, name: ModelName) -> Model:
    """One network and its versions, newest first."""
    versions = [
        VersionSummary(
            version=version.version,
            serving=version.serving,
            created_at=version.metadata.created_at,
            job_id=version.metadata.job_id,
            eval_rmse=version.metadata.scores.eval_rmse,
            refused=version.metadata.refused,
        )
        for version in registry.versions(name)
    ]
    return Model(name=name, serving=registry.serving(name), versions=versions)


@router.get("/models/{name}/versions/{number}")
def get_version(registry: TheRegistry, name: ModelName, number: VersionNumber) -> Version:
    """One version and all that it knows of itself."""
    return registry.version(name, number)


@router.get("/models/{name}/history")
def get_history(
    registry: TheRegistry,
    name: ModelName,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> History:
    """What served and serves of a network, newest change first."""
    return History(changes=registry.changes(name, limit))


@router.put("/models/{name}/serving")
def promote(request: Request, registry: TheRegistry, name: ModelName, wanted: Promotion) -> Version:
    """Makes a version the serving one: promotes a new one or rolls back to an old one."""
    return promotion.promote(registry, name, wanted.version, request.scope.get("key"))
