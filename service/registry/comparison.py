"""The comparison of the baselines and the networks. It computes nothing."""

from collections.abc import Callable
from statistics import mean, stdev

from models.comparison import Difference
from models.config import MODEL_NAMES, ModelName
from models.verdicts import summary
from service.errors import NotFound
from service.registry.manifest import COMPARISON, INTERACTIONS
from service.registry.shapes import (
    Comparison,
    Interactions,
    Measured,
    NetworkRow,
    Row,
    RowName,
    Verdict,
)
from service.registry.versions import Registry
from service.schemas import Scores, Version


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
    """The baselines are those of the job of the newest version; so is the verdict."""
    versions = {name: registry.version(name, number) for name, number in chosen.items()}
    if not versions:
        return Comparison(dataset=registry.dataset, models={})
    newest = max(versions.values(), key=lambda version: version.metadata.created_at).metadata
    networks = {name: _row(version) for name, version in versions.items()}
    try:
        file = registry.read(newest.model, chosen[newest.model], COMPARISON)
    except FileNotFoundError:  # from before there was one
        rows: dict[RowName, Row] = {"mean": Row(parameters=0, **newest.baseline)}
        return Comparison(dataset=registry.dataset, models={**rows, **networks})
    measured = Measured.model_validate_json(file)
    of_its_job = [name for name, row in networks.items() if row.job_id == newest.job_id]
    return Comparison(
        dataset=registry.dataset,
        models={**measured.baselines, **networks},
        verdict=_among(measured, of_its_job, [name for name in networks if name not in of_its_job]),
    )


def _among(measured: Measured, networks: list[ModelName], others: list[ModelName]) -> Verdict:
    """The verdict without what else its job has trained; it names those that others have."""
    shown = {*measured.baselines, *networks}
    pairs = [pair for pair in measured.verdict.pairs if {pair.a, pair.b} <= shown]
    if len(pairs) == len(measured.verdict.pairs) and not others:
        return measured.verdict
    differences = [Difference(**dict(pair)) for pair in pairs]
    said = summary(differences, networks, list(measured.baselines))
    if others:
        are = "is" if len(others) == 1 else "are"
        said += f"; {' and '.join(others)} {are} from another job, and not compared with these"
    return measured.verdict.model_copy(update={"pairs": pairs, "summary": said})


def _row(version: Version) -> NetworkRow:
    metadata = version.metadata
    repeats = [repeat.scores for repeat in metadata.repeats]
    return NetworkRow(
        **metadata.scores,
        parameters=metadata.parameters,
        seconds=metadata.fit_seconds,
        calibration=metadata.calibration,
        version=version.version,
        job_id=metadata.job_id,
        serving=version.serving,
        refused=metadata.refused,
        dataset=metadata.config.dataset,
        baseline=metadata.baseline,
        still_learning=metadata.was_still_learning,
        repeats=metadata.repeats,
        mean=_of_each(mean, repeats),
        standard_deviation=_of_each(stdev, repeats) if len(repeats) > 1 else {},
    )


def _of_each(statistic: Callable[[list[float]], float], repeats: list[Scores]) -> Scores:
    """A statistic of each score, of those that every repeat has: that of a diverged one may not be
    finite, and is not told."""
    if not repeats:
        return {}
    return {
        name: statistic([scores[name] for scores in repeats])
        for name in repeats[0]
        if all(name in scores for scores in repeats)
    }


def interactions(registry: Registry, name: ModelName, number: int) -> Interactions:
    """What a version found in the features.

    Raises:
        NotFound: There is no such version, it is damaged, or it is from before there was this.
    """
    registry.version(name, number)
    try:
        found = registry.read(name, number, INTERACTIONS)
    except FileNotFoundError:
        which = f"version {number} of the model {registry.dataset}/{name}"
        raise NotFound(f"{which} is from before interactions were kept; train again") from None
    return Interactions.model_validate_json(found)
