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
import numpy as np
import onnxruntime
import tensorflow

from models import evaluation, training
from models.config import ModelName, TrainConfig
from models.data import Dataset, Split, load
from models.export import check_parity, export, load_onnx
from models.training import TrainingDiverged
from service.jobs import compile_cache
from service.registry import promotion
from service.registry.manifest import HELD_OUT, seal
from service.registry.promotion import Judgement
from service.registry.versions import Registry
from service.schemas import Attempt, Metadata, Progress, Result, Scores

PROGRESS_SECONDS = 0.2
"""The least time between two reports of progress."""

LIBRARIES = {
    library.__name__: library.__version__ for library in (tensorflow, keras, np, onnxruntime)
}

HELD_OUT_ROWS = 10_000
"""At most so many are kept with a version: all that the experiment holds out."""

Report = Callable[[Progress], None]


class Cancelled(Exception):
    """The job was cancelled before it could publish."""


def train(job_id: str, config: TrainConfig, registry: Registry, report: Report) -> list[Result]:
    """Runs a job to its published versions, or on from where a dead child left it.

    Raises:
        Cancelled: The job was cancelled; nothing is published.
        TrainingDiverged, ParityError: What was trained is not fit to be published.
    """
    dataset = load(config.dataset)
    published = registry.published(job_id)
    cache = compile_cache.enable(registry.root / ".compiled", tensorflow.__version__)
    if registry.staging.decision(job_id) is None and not published:
        baseline = evaluation.mean_predictor(dataset)
        folder = registry.staging.start_over(job_id)
        for name in config.models:
            stage(name, job_id, config, dataset, baseline, folder / name, report)
        registry.staging.decide(job_id, "publish")
        if cache is not None:
            compile_cache.record(cache)
    if registry.staging.decision(job_id) == "cancel":
        raise Cancelled

    published = promotion.publish(registry, job_id, partial(judge, registry, dataset.eval))
    return [
        result(name, number, registry.metadata(name, number)) for name, number in published.items()
    ]


def stage(
    name: ModelName,
    job_id: str,
    config: TrainConfig,
    dataset: Dataset,
    baseline: evaluation.Scores,
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

    trained = training.train(name, dataset.train, config, on_step)
    network = trained.network
    export(network, folder)
    check_parity(network, folder, dataset.eval.features)
    scores = evaluation.evaluate(load_onnx(folder), dataset)
    if not all(map(math.isfinite, scores)):
        raise TrainingDiverged("the errors of the trained network are not finite")
    metadata = Metadata(
        model=name,
        job_id=job_id,
        created_at=datetime.now(UTC),
        config=config,
        dataset_fingerprint=dataset.fingerprint,
        parameters=network.count_params(),
        scores=Scores(**scores._asdict()),
        baseline=Scores(**baseline._asdict()),
        refused=None,
        losses=trained.losses,
        attempts=[Attempt(**attempt._asdict()) for attempt in trained.attempts],
        fit_seconds=trained.seconds,
        libraries=LIBRARIES,
    )
    keep_held_out(dataset.eval, folder)
    seal(folder, metadata)


def keep_held_out(split: Split, folder: Path) -> None:
    """Keeps rows beside a version, so that others can be compared with it on the same ones."""
    rows = np.column_stack([*split.features.T, split.targets])[:HELD_OUT_ROWS]
    np.save(folder / HELD_OUT, rows, allow_pickle=False)


def judge(
    registry: Registry, held_out: Split, challenger: Metadata, champion: int | None
) -> Judgement:
    """Whether a version takes over from the champion, the version that serves, if any does.

    Both are held against each other on the rows that the challenger's job holds out.
    """
    promote = challenger.config.promote
    if promote != "if_better":
        return Judgement(promote == "always", f"its job says promote: {promote}")
    ours, mean = challenger.scores.eval_rmse, challenger.baseline.eval_rmse
    its = f"its eval RMSE of {ours:.10g}"
    if ours >= mean:
        return Judgement(False, f"{its} is no better than the mean predictor's {mean:.10g}")
    if champion is None:
        return Judgement(True, f"{its} beats the mean predictor's {mean:.10g}")
    predict = load_onnx(registry.folder(challenger.model, champion))
    theirs = math.sqrt(evaluation.error_on(held_out, predict))
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
