"""The comparison of the mean predictor, the dense and the cross network. It computes nothing."""

from models.config import MODEL_NAMES, ModelName
from service.errors import NotFound
from service.registry.versions import Registry
from service.schemas import Comparison, NetworkRow, Row, Version


def of_serving(registry: Registry) -> Comparison:
    """Compares the serving versions; of those that there are."""
    serving = {name: registry.serving(name) for name in MODEL_NAMES}
    return _compare(registry, {name: number for name, number in serving.items() if number})


def of_job(registry: Registry, job_id: str) -> Comparison:
    """Compares what one job published, versions that do not serve included.

    Raises:
        NotFound: The job has published nothing.
    """
    published = registry.published(job_id)
    if not published:
        raise NotFound(f"the job {job_id} has published nothing")
    return _compare(registry, published)


def _compare(registry: Registry, chosen: dict[ModelName, int]) -> Comparison:
    versions = {name: registry.version(name, number) for name, number in chosen.items()}
    if not versions:
        return Comparison(dataset=registry.dataset, models={})
    newest = max(versions.values(), key=lambda version: version.metadata.created_at)
    mean = Row(parameters=0, **newest.metadata.baseline)
    rows = {name: _row(version) for name, version in versions.items()}
    return Comparison(dataset=registry.dataset, models={"mean": mean, **rows})


def _row(version: Version) -> NetworkRow:
    metadata = version.metadata
    return NetworkRow(
        **metadata.scores,
        parameters=metadata.parameters,
        version=version.version,
        job_id=metadata.job_id,
        serving=version.serving,
        refused=metadata.refused,
        dataset=metadata.config.dataset,
        baseline=metadata.baseline,
    )
