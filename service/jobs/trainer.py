"""What the child process of a job runs: data, then what stage.py does with it, then publishing.

TensorFlow is imported with this module, which the fork server of the worker preloads; nothing
here may run an operation on import, since TensorFlow's threads do not survive a fork.
"""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from models.config import ModelName
from models.experiment import Experiment
from service.errors import NotFound
from service.jobs.hands import Others
from service.jobs.patience import GivenUp, patiently
from service.jobs.stage import stage
from service.jobs.work import Work, compiling, experiment_of
from service.registry import promotion
from service.registry.manifest import Damaged
from service.registry.promotion import Judgement
from service.registry.staging import CANCELLED
from service.registry.versions import Gone, Registry
from service.schemas import Metadata, Result

IN_WORDS = {
    "eval_rmse": "eval RMSE",
    "validation_rmse": "validation RMSE",
    "validation_log_loss": "validation log loss",
}


class Cancelled(Exception):
    """The job was cancelled before it could publish."""


def train(work: Work, confirm: Callable[[], None], others: Others | None) -> list[Result]:
    """Runs a job to its published versions, or on from where a dead child left it.

    Args:
        confirm: Returns when it is sure that nobody else runs the job now.
        others: Who may train parts of it.

    Raises:
        NotFound, Damaged, Unsuitable: The table is gone, is damaged, or is not to be trained on.
        Cancelled: The job was cancelled, or its dataset removed; nothing more is published.
        TrainingDiverged, ParityError: What was trained is not fit to be published.
    """
    job_id, registry = work.job_id, work.where.registry.of(work.config.dataset.name)
    published = patiently(partial(registry.published, job_id))
    verdict = patiently(partial(registry.staging.decision, job_id))
    life = registry.life
    experiment = cache(partial(experiment_of, work))
    with compiling(registry):
        if verdict is None and not published:
            stage(
                job_id, work.config, patiently(experiment), work.attempt.folder, work.report, others
            )
            confirm()
            verdict = patiently(partial(registry.staging.publish, job_id, work.attempt, life))
    if verdict == CANCELLED:
        raise Cancelled

    try:
        _require_dataset(work)
        judging = partial(judge, registry, experiment)
        published = patiently(partial(promotion.publish, registry, job_id, judging))
    except Gone as gone:
        raise Cancelled(gone.detail) from None
    return [
        result(name, number, registry.metadata(name, number)) for name, number in published.items()
    ]


def _require_dataset(work: Work) -> None:
    """Raises Gone if the dataset was removed since the job was decided to publish."""
    try:
        work.where.tables.require(work.config.dataset.name)
    except NotFound as error:
        raise Gone(error.detail) from None


def judge(
    registry: Registry,
    experiment: Callable[[], Experiment],
    challenger: Metadata,
    folder: Path,
    champion: int | None,
) -> Judgement:
    """Whether a version takes over from the champion, the version that serves, if any does.

    Both are held against each other on the rows by which the challenger's job chooses. Of a table
    the challenger must not be shown to be worse; of triples, which have no noise, it must not be.
    Where these rows or the champion cannot be read any more, it is published and does not serve:
    whoever is about to publish cannot fail.

    Args:
        experiment: Asked for only where there is something to be compared.
        folder: Where the challenger lies.
    """
    promote = challenger.config.promote
    if promote != "if_better":
        return Judgement(promote == "always", f"its job says promote: {promote}")
    score = challenger.chosen_by
    ours, mean = challenger.scores[score], challenger.baseline[score]
    its = f"its {IN_WORDS[score]} of {ours:.10g}"
    if ours >= mean:
        return Judgement(False, f"{its} is no better than the mean predictor's {mean:.10g}")
    if champion is None:
        return Judgement(True, f"{its} beats the mean predictor's {mean:.10g}")
    try:
        theirs = registry.folder(challenger.model, champion)
        challenge = experiment().challenge(ours, mean, folder, theirs)
    except (NotFound, Damaged, GivenUp) as error:
        return Judgement(False, f"it cannot be held against version {champion}: {error}")
    than = f"the {challenge.champion:.10g} of version {champion} on the same rows"
    if challenge.interval is None:
        is_larger = "is larger than" if challenge.worse else "is not larger than"
        return Judgement(not challenge.worse, f"{its} {is_larger} {than}")
    is_larger = "is larger than" if challenge.worse else "is not shown to be larger than"
    low, high = challenge.interval
    apart = f"difference {low:.4g} to {high:.4g} with 95% confidence"
    return Judgement(not challenge.worse, f"{its} {is_larger} {than} ({apart})")


def result(name: ModelName, number: int, metadata: Metadata) -> Result:
    """What the job says of one of its versions."""
    return Result(
        model=name,
        version=number,
        parameters=metadata.parameters,
        scores=metadata.scores,
        attempts=len(metadata.attempts),
        refused=metadata.refused,
    )
