"""What the child process of a job runs: data, networks, fit, export, check, publish.

TensorFlow is imported with this module, which the fork server of the worker preloads; nothing
here may run an operation on import, since TensorFlow's threads do not survive a fork.
"""

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import keras
import msgspec
import numpy as np
import onnxruntime
import tensorflow

from models.config import ModelName, SyntheticDataset, TrainConfig
from models.experiment import Experiment, HeldOut, TableExperiment, TriplesExperiment
from models.gradient_starts import TrainingDiverged
from models.table import prepare
from service.jobs import compile_cache
from service.registry import promotion
from service.registry.manifest import HELD_OUT, seal
from service.registry.promotion import Judgement
from service.registry.versions import Registry
from service.schemas import Attempt, Metadata, Progress, Result
from service.tables.store import DATA, Tables

PROGRESS_SECONDS = 0.2
"""The least time between two reports of progress."""

LIBRARIES = {
    library.__name__: library.__version__ for library in (tensorflow, keras, np, onnxruntime)
}

HELD_OUT_ROWS = 10_000
"""At most so many are kept with a version: all that the experiment holds out."""

ROWS = "rows"
"""Where the encoded rows of a table are, in the staging folder of its job."""

IN_WORDS = {
    "eval_rmse": "eval RMSE",
    "validation_rmse": "validation RMSE",
    "validation_log_loss": "validation log loss",
}

Report = Callable[[Progress], None]


class Cancelled(Exception):
    """The job was cancelled before it could publish."""


def train(
    job_id: str, config: TrainConfig, registry: Registry, memory_bytes: int, report: Report
) -> list[Result]:
    """Runs a job to its published versions, or on from where a dead child left it.

    Args:
        memory_bytes: For the encoded rows of a table; beyond, they are read from disk.

    Raises:
        NotFound, Damaged, Unsuitable: The table is gone, is damaged, or is not to be trained on.
        Cancelled: The job was cancelled; nothing is published.
        TrainingDiverged, ParityError: What was trained is not fit to be published.
    """
    published = registry.published(job_id)
    cache = compile_cache.enable(registry.artifacts / ".compiled", tensorflow.__version__)
    folder = registry.staging.folder(job_id)
    anew = registry.staging.decision(job_id) is None and not published
    if anew:
        registry.staging.start_over(job_id)
    experiment = _experiment(config, registry, folder / ROWS, memory_bytes)
    if anew:
        baseline = experiment.baseline()
        for name in config.models:
            stage(name, job_id, config, experiment, baseline, folder / name, report)
        registry.staging.decide(job_id, "publish")
        if cache is not None:
            compile_cache.record(cache)
    if registry.staging.decision(job_id) == "cancel":
        raise Cancelled

    published = promotion.publish(registry, job_id, partial(judge, registry, experiment))
    return [
        result(name, number, registry.metadata(name, number)) for name, number in published.items()
    ]


def _experiment(
    config: TrainConfig, registry: Registry, folder: Path, memory_bytes: int
) -> Experiment:
    if isinstance(config.dataset, SyntheticDataset):
        return TriplesExperiment(config, config.dataset)
    tables, name = Tables(registry.artifacts), config.dataset.name
    number, stored = tables.find(name, config.dataset.revision)
    tables.verify(name, number)
    table = prepare(
        tables.folder(name, number) / DATA,
        stored.contents.table_schema,
        config.dataset,
        folder,
        memory_bytes,
        config.precision,
    )
    return TableExperiment(config, table)


def stage(
    name: ModelName,
    job_id: str,
    config: TrainConfig,
    experiment: Experiment,
    baseline: dict[str, float],
    folder: Path,
    report: Report,
) -> None:
    """Trains one network and leaves it in `folder`, checked and sealed."""
    reported = 0.0

    def on_step(step: int, steps: int, loss: float) -> None:
        nonlocal reported
        if step == steps or time.monotonic() - reported > PROGRESS_SECONDS:
            reported = time.monotonic()
            report(Progress(model=name, epoch=step, epochs=steps, loss=loss))

    trained = experiment.train(name, on_step)
    experiment.export(trained.network, folder)
    scores = experiment.scores(folder)
    if not all(map(math.isfinite, scores.values())):
        raise TrainingDiverged("the errors of the trained network are not finite")
    metadata = Metadata(
        model=name,
        job_id=job_id,
        created_at=datetime.now(UTC),
        config=config,
        table=experiment.table,
        dataset_fingerprint=experiment.fingerprint,
        parameters=trained.network.count_params(),
        scores=scores,
        baseline=baseline,
        refused=None,
        losses=trained.losses,
        validation_losses=list(trained.validation_losses),
        best_epoch=trained.best_epoch,
        attempts=[Attempt(**attempt._asdict()) for attempt in trained.attempts],
        fit_seconds=trained.seconds,
        libraries=LIBRARIES,
    )
    keep_held_out(experiment.held_out(HELD_OUT_ROWS), folder)
    seal(folder, metadata)


def keep_held_out(held_out: HeldOut, folder: Path) -> None:
    """Keeps rows beside a version, so that others can be compared with it on the same ones."""
    (folder / HELD_OUT).write_bytes(msgspec.json.encode(held_out._asdict()))


def judge(
    registry: Registry, experiment: Experiment, challenger: Metadata, champion: int | None
) -> Judgement:
    """Whether a version takes over from the champion, the version that serves, if any does.

    Both are held against each other on the rows by which the challenger's job chooses.
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
    theirs = experiment.choosing_error(registry.folder(challenger.model, champion))
    worse = ours > theirs  # never than one whose error is not a number: it has to go
    than = "larger than" if worse else "not larger than"
    return Judgement(
        not worse, f"{its} is {than} the {theirs:.10g} of version {champion} on the same rows"
    )


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
