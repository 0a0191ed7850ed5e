"""What the child process of a job runs: data, networks, fit, export, check, publish.

TensorFlow is imported with this module, which the fork server of the worker preloads; nothing
here may run an operation on import, since TensorFlow's threads do not survive a fork.
"""

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy
import onnxruntime
import tensorflow

from models import evaluation, training
from models.config import ModelName, TrainConfig
from models.data import Dataset, load
from models.export import check_parity, export, load_onnx
from models.training import TrainingDiverged
from service.jobs import compile_cache
from service.registry.manifest import seal
from service.registry.versions import Registry
from service.schemas import Attempt, Metadata, Progress, Result, Scores

PROGRESS_SECONDS = 0.2
"""The least time between two reports of progress."""

LIBRARIES = {
    library.__name__: library.__version__ for library in (tensorflow, keras, numpy, onnxruntime)
}

Report = Callable[[Progress], None]


class Cancelled(Exception):
    """The job was cancelled before it could publish."""


def train(job_id: str, config: TrainConfig, registry: Registry, report: Report) -> list[Result]:
    """Runs a job to its published versions, or on from where a dead child left it.

    Raises:
        Cancelled: The job was cancelled; nothing is published.
        TrainingDiverged, ParityError: What was trained is not fit to be published.
    """
    published = registry.published(job_id)
    cache = compile_cache.enable(registry.root / ".compiled", tensorflow.__version__)
    if registry.staging.decision(job_id) is None and not published:
        dataset = load(config.dataset)
        baseline = evaluation.mean_predictor(dataset)
        folder = registry.staging.start_over(job_id)
        for name in config.models:
            stage(name, job_id, config, dataset, baseline, folder / name, report)
        registry.staging.decide(job_id, "publish")
        if cache is not None:
            compile_cache.record(cache)
    if registry.staging.decision(job_id) == "cancel":
        raise Cancelled
    return [
        result(name, number, registry.metadata(name, number))
        for name, number in registry.publish(job_id).items()
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
        refused=gate(scores, baseline),
        losses=trained.losses,
        attempts=[Attempt(**attempt._asdict()) for attempt in trained.attempts],
        fit_seconds=trained.seconds,
        libraries=LIBRARIES,
    )
    seal(folder, metadata)


def gate(scores: evaluation.Scores, baseline: evaluation.Scores) -> str | None:
    """Why a version with these scores must not serve by itself; None if it may."""
    if scores.eval_rmse >= baseline.eval_rmse:
        return (
            f"its eval RMSE of {scores.eval_rmse:.6g} is no better than "
            f"the mean predictor's {baseline.eval_rmse:.6g}"
        )
    return None


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
