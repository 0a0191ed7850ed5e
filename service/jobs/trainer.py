"""What the child process of a job runs: data, then what stage.py does with it, then publishing.

TensorFlow is imported with this module, which the fork server of the worker preloads; nothing
here may run an operation on import, since TensorFlow's threads do not survive a fork.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow

from models.config import ModelName, SyntheticDataset, TrainConfig
from models.experiment import Experiment, TableExperiment, TriplesExperiment
from models.parquet import OneFile
from models.parts import timed
from models.table import prepare
from models.training import Training
from service import taken_folder
from service.jobs import compile_cache
from service.jobs.hands import Others
from service.jobs.packing import pack, unpack_parts
from service.jobs.patience import patiently
from service.jobs.recorder import Recorder, Report
from service.jobs.stage import stage
from service.registry import promotion
from service.registry.promotion import Judgement
from service.registry.staging import CANCELLED
from service.registry.versions import Gone, Registry
from service.schemas import Metadata, Progress, Result
from service.store.places import Places
from service.tables.link import LINK
from service.tables.linked_parquet import LinkedParquet
from service.tables.store import DATA
from service.taken_folder import Taken

ROWS = "rows"
"""Where the encoded rows of a table are, in the folder of an attempt."""

IN_WORDS = {
    "eval_rmse": "eval RMSE",
    "validation_rmse": "validation RMSE",
    "validation_log_loss": "validation log loss",
}


class Cancelled(Exception):
    """The job was cancelled before it could publish."""


class Work(NamedTuple):
    """A job, and where it is done."""

    job_id: str
    config: TrainConfig
    where: Places
    attempt: Taken
    """The folder of this one."""
    memory_bytes: int
    """For the encoded rows of a table; beyond, they are read from disk."""
    report: Report


def train(work: Work, confirm: Callable[[], None], others: Others | None) -> list[Result]:
    """Runs a job to its published versions, or on from where a dead child left it.

    Args:
        confirm: Returns when it is sure that nobody else runs the job now.
        others: Who may train parts of it.

    Raises:
        NotFound, Damaged, Unsuitable: The table is gone, is damaged, or is not to be trained on.
        Cancelled: The job was cancelled; nothing is published.
        TrainingDiverged, ParityError: What was trained is not fit to be published.
    """
    job_id, registry = work.job_id, work.where.registry.of(work.config.dataset.name)
    published = patiently(partial(registry.published, job_id))
    verdict = patiently(partial(registry.staging.decision, job_id))
    with _compiling(registry):
        experiment = patiently(partial(_experiment, work))
        if verdict is None and not published:
            stage(job_id, work.config, experiment, work.attempt.folder, work.report, others)
            confirm()
            verdict = patiently(partial(registry.staging.publish, job_id, work.attempt))
    if verdict == CANCELLED:
        raise Cancelled

    try:
        judging = partial(judge, registry, experiment)
        published = patiently(partial(promotion.publish, registry, job_id, judging))
    except Gone as gone:
        raise Cancelled(gone.detail) from None
    return [
        result(name, number, registry.metadata(name, number)) for name, number in published.items()
    ]


def help_out(work: Work, helper: str, offer: str) -> None:
    """Trains what nobody has claimed of the parts of a job that were offered, and leaves what came
    of it with the job.

    Args:
        helper: The id under which it claims; what it has claimed before, it trains now.
        offer: The name under which the parts were left; if they are gone, the job has ended.

    Raises:
        NotFound, Damaged, Unsuitable, TrainingDiverged: As `train`.
    """
    staging, job_id = work.where.registry.staging, work.job_id
    recorder = Recorder("mean squared error", _only_progress(work.report))
    with _compiling(work.where.registry):
        trainings: dict[ModelName, Training[Any]] = {}
        experiment: Experiment | None = None
        offered = patiently(partial(staging.part, job_id, offer))
        for part in unpack_parts(offered) if offered else []:
            owner = patiently(partial(staging.claim_part, job_id, part.key, helper))
            if owner != helper or patiently(partial(staging.part, job_id, part.key)) is not None:
                continue
            experiment = experiment or patiently(partial(_experiment, work))
            if part.network not in trainings:
                trainings = {part.network: experiment.training(part.network)}
            train = trainings[part.network].trainer.train
            starts = timed(train, part, recorder.of(part.network))
            patiently(partial(staging.keep_part, job_id, part.key, pack(starts)))
    taken_folder.discard(work.attempt)


def _only_progress(report: Report) -> Report:
    return lambda told: report(told) if isinstance(told, Progress) else None


@contextmanager
def _compiling(registry: Registry) -> Iterator[None]:
    """What is compiled here need not be compiled again, unless it ends in an error."""
    cache = compile_cache.enable(registry.artifacts / ".compiled", tensorflow.__version__)
    yield
    if cache is not None:
        compile_cache.record(cache)


def _experiment(work: Work) -> Experiment:
    config, tables = work.config, work.where.tables
    if isinstance(config.dataset, SyntheticDataset):
        return TriplesExperiment(config, config.dataset)
    name = config.dataset.name
    number, stored = tables.find(name, config.dataset.revision)
    tables.verify(name, number)
    schema, folder = stored.contents.table_schema, tables.folder(name, number)
    parquet = (
        LinkedParquet(folder / LINK, schema, stored.options, patiently)
        if stored.options.url
        else OneFile(folder / DATA)
    )
    table = prepare(
        parquet,
        schema,
        config.dataset,
        work.attempt.folder / ROWS,
        work.memory_bytes,
        config.precision,
    )
    return TableExperiment(config, table)


def judge(
    registry: Registry,
    experiment: Experiment,
    challenger: Metadata,
    folder: Path,
    champion: int | None,
) -> Judgement:
    """Whether a version takes over from the champion, the version that serves, if any does.

    Both are held against each other on the rows by which the challenger's job chooses. Of a table
    the challenger must not be shown to be worse; of triples, which have no noise, it must not be.

    Args:
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
    theirs = registry.folder(challenger.model, champion)
    challenge = experiment.challenge(ours, mean, folder, theirs)
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
