"""What a job stages: it trains on some rows, measures on others, and seals what is published."""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import keras
import msgspec
import numpy as np
import onnxruntime
import tensorflow

from models.baselines.fit import Baseline
from models.config import BaselineName, ModelName, TrainConfig
from models.evaluation import Evaluation
from models.experiment import Experiment, Predict
from models.export import load_onnx
from models.gradient_starts import TrainingDiverged
from models.training import Trained, Training
from models.verdicts import summary
from service.jobs.hands import Hands, Others
from service.jobs.recorder import Recorder, Report
from service.registry.manifest import COMPARISON, HELD_OUT, INTERACTIONS, seal
from service.registry.shapes import (
    Importance,
    Interaction,
    Interactions,
    Measured,
    Pair,
    Row,
    Verdict,
)
from service.schemas import Attempt, Metadata, Progress, Repeat, Scores, Tenth

LIBRARIES = {
    library.__name__: library.__version__ for library in (tensorflow, keras, np, onnxruntime)
}

HELD_OUT_ROWS = 10_000
"""At most so many are kept with a version: all that the experiment holds out."""

PAIRS = 1000
"""So many of the strongest pairs of features are told; a wide table has half a million."""


class Network(NamedTuple):
    """A network as it was trained, and as its version and its repeats were measured."""

    trained: Trained[Any]
    predict: Predict
    """What serves: its ONNX file."""
    version: Evaluation
    repeats: list[Evaluation]


def stage(
    job_id: str,
    config: TrainConfig,
    experiment: Experiment,
    folder: Path,
    report: Report,
    others: Others | None,
) -> None:
    """Leaves a version of each network in `folder`, checked and sealed, and the comparison in each.

    Everything is trained before anything is measured on rows that are only reported.

    Args:
        others: Who may train parts of it.

    Raises:
        TrainingDiverged, ParityError: What was trained is not fit to be published.
    """
    binary = experiment.table is not None and experiment.table.task == "binary"
    recorder = Recorder("cross-entropy" if binary else "mean squared error", report)
    trainings = {name: experiment.training(name) for name in config.models}
    hands = Hands(trainings, recorder, others)
    baselines: dict[BaselineName, Baseline] = {}
    for baseline in config.baselines:
        report(Progress(model=baseline, epoch=0, epochs=1, loss=0))
        if (made := experiment.baseline(baseline)) is not None:
            baselines[baseline] = made
    trained: dict[ModelName, Trained[Any]] = {}
    for name in config.models:
        trained[name] = _train(name, trainings[name], hands, recorder)
        del trainings[name]  # and what it has compiled
        experiment.export(trained[name].network, folder / name)
    hands.end()

    mean, beside, networks = _measure(trained, baselines, experiment, folder)

    rows: dict[Literal["mean"] | BaselineName, Row] = {"mean": _row(mean, parameters=0)}
    for baseline, made in baselines.items():
        about = {"parameters": made.parameters, "seconds": made.seconds, "rows": made.rows}
        rows[baseline] = _row(beside[baseline], **about)
    measured = Measured(baselines=rows, verdict=_verdict(experiment, mean, beside, networks))
    held_out = msgspec.json.encode(experiment.held_out(HELD_OUT_ROWS)._asdict())
    for name, network in networks.items():
        (folder / name / HELD_OUT).write_bytes(held_out)
        (folder / name / COMPARISON).write_text(measured.model_dump_json(indent=1))
        found = _interactions(network, experiment)
        (folder / name / INTERACTIONS).write_text(found.model_dump_json(indent=1))
        seal(folder / name, _metadata(name, job_id, config, experiment, network, mean.scores))


def _train(
    name: ModelName, training: Training[Any], hands: Hands, recorder: Recorder
) -> Trained[Any]:
    try:
        trained = training.conclude(hands.share)
        recorder.end(name, _attempts(trained))
    finally:
        recorder.tell()
    return trained


def _measure(
    trained: dict[ModelName, Trained[Any]],
    baselines: dict[BaselineName, Baseline],
    experiment: Experiment,
    folder: Path,
) -> tuple[Evaluation, dict[BaselineName, Evaluation], dict[ModelName, Network]]:
    """Measures what serves, the ONNX files, and all else as it was trained."""
    serving = {name: load_onnx(folder / name) for name in trained}
    predicts: dict[Any, Predict] = {
        "mean": experiment.mean(),
        **{name: experiment.by_baseline(made) for name, made in baselines.items()},
        **serving,
    }
    repeats: dict[ModelName, list[Any]] = {name: [] for name in trained}
    for name, of in trained.items():
        for kept in of.repeats:
            is_served = kept.network is of.network
            repeats[name].append(key := name if is_served else (name, kept.seed))
            predicts.setdefault(key, experiment.by_network(kept.network))
    measured = dict(zip(predicts, experiment.evaluate(list(predicts.values())), strict=True))
    if not all(
        math.isfinite(score) for name in trained for score in measured[name].scores.values()
    ):
        raise TrainingDiverged("the errors of the trained network are not finite")
    networks = {
        name: Network(of, serving[name], measured[name], [measured[key] for key in repeats[name]])
        for name, of in trained.items()
    }
    return measured["mean"], {name: measured[name] for name in baselines}, networks


def _attempts(trained: Trained[Any]) -> list[Attempt]:
    return [Attempt(**attempt._asdict()) for attempt in trained.attempts]


def _row(evaluation: Evaluation, **about: Any) -> Row:
    return Row(**evaluation.scores, **about, calibration=_calibration(evaluation))


def _calibration(evaluation: Evaluation) -> list[Tenth]:
    return [Tenth(**tenth._asdict()) for tenth in evaluation.calibration]


def _verdict(
    experiment: Experiment,
    mean: Evaluation,
    baselines: dict[BaselineName, Evaluation],
    networks: dict[ModelName, Network],
) -> Verdict:
    rows: dict[str, list[Evaluation]] = {
        "mean": [mean],
        **{name: [evaluation] for name, evaluation in baselines.items()},
        **{name: network.repeats for name, network in networks.items()},
    }
    differences = experiment.compare(rows)
    return Verdict(
        score=experiment.reported_by,
        summary=summary(differences, list(networks), ["mean", *baselines]),
        pairs=[Pair(**difference._asdict()) for difference in differences],
    )


def _interactions(network: Network, experiment: Experiment) -> Interactions:
    importances = experiment.importances(network.predict).items()
    pairs = experiment.interactions(network.trained.network)
    return Interactions(
        importances=[
            Importance(feature=feature, **about._asdict())
            for feature, about in sorted(importances, key=lambda item: -item[1].increase)
        ],
        interactions=None
        if pairs is None
        else [Interaction(**each._asdict()) for each in pairs[:PAIRS]],
    )


def _metadata(
    name: ModelName,
    job_id: str,
    config: TrainConfig,
    experiment: Experiment,
    network: Network,
    baseline: Scores,
) -> Metadata:
    trained = network.trained
    return Metadata(
        model=name,
        job_id=job_id,
        created_at=datetime.now(UTC),
        config=config,
        table=experiment.table,
        dataset_fingerprint=experiment.fingerprint,
        parameters=trained.network.count_params(),
        scores=network.version.scores,
        baseline=baseline,
        refused=None,
        losses=trained.losses,
        validation_losses=list(trained.validation_losses),
        best_epoch=trained.best_epoch,
        attempts=_attempts(trained),
        repeats=[
            Repeat(
                seed=kept.seed,
                kept=kept.network is trained.network,
                scores={name: of for name, of in measured.scores.items() if math.isfinite(of)},
            )
            for kept, measured in zip(trained.repeats, network.repeats, strict=True)
        ],
        calibration=_calibration(network.version),
        fit_seconds=trained.seconds,
        libraries=LIBRARIES,
    )
