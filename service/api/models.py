"""`/metrics` and `/models`: the comparison, and the versions behind it."""

from uuid import UUID

from fastapi import APIRouter

from models.config import MODEL_NAMES, ModelName
from service.api.dependencies import TheRegistry
from service.registry import comparison
from service.schemas import (
    Comparison,
    Model,
    Models,
    Promotion,
    Version,
    VersionNumber,
    VersionSummary,
)

router = APIRouter(tags=["models"])


@router.get("/metrics")
def metrics(registry: TheRegistry, job_id: UUID | None = None) -> Comparison:
    """The comparison of the serving versions, or of what one job published."""
    if job_id is not None:
        return comparison.of_job(registry, str(job_id))
    return comparison.of_serving(registry)


@router.get("/models")
def list_models(registry: TheRegistry) -> Models:
    """Both networks and their versions."""
    return Models(models=[get_model(registry, name) for name in MODEL_NAMES])


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


@router.put("/models/{name}/serving")
def promote(registry: TheRegistry, name: ModelName, promotion: Promotion) -> Version:
    """Makes a version the serving one: promotes a new one or rolls back to an old one."""
    return registry.promote(name, promotion.version)
