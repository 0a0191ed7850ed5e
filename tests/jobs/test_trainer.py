from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from models.config import TrainConfig
from models.data import Dataset, Split
from models.experiment import TriplesExperiment
from service.jobs.trainer import judge
from service.registry.manifest import ONNX
from service.registry.promotion import Judgement
from service.registry.versions import Registry
from service.schemas import Metadata
from tests.models.chain import Layer, graph
from tests.registry.versions import fill, metadata


class FourRows(TriplesExperiment):
    """A linear unit with only a bias errs on these rows by that bias."""

    def __init__(self) -> None:
        features = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
        rows = Split(features, np.zeros(4))
        self._dataset = Dataset(rows, rows, "")


EXPERIMENT = FourRows()


def challenger(eval_rmse: float, **config: Any) -> Metadata:
    scores = {"train_rmse": 0.0, "eval_rmse": eval_rmse}
    baseline = scores | {"eval_rmse": 0.5}
    made = {"scores": scores, "baseline": baseline, "config": TrainConfig.model_validate(config)}
    return metadata().model_copy(update=made)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Version 1 errs by 0.25, whatever it says of itself; version 2 by what is no number."""
    made = Registry(tmp_path)
    made.prepare()
    for number, bias in ((1, 0.25), (2, np.nan)):
        fill(made.folder("cross", number), metadata())
        layer = Layer(np.zeros((3, 1)), np.array([bias], np.float64), "linear")
        onnx.save(graph([layer]), made.folder("cross", number) / ONNX)
    return made


@pytest.mark.parametrize(
    ("eval_rmse", "champion", "takes_over", "says"),
    [
        (0.5, None, False, "0.5 is no better than the mean predictor's 0.5"),
        (0.49, None, True, "0.49 beats the mean predictor's 0.5"),
        (0.26, 1, False, "0.26 is larger than the 0.25 of version 1 on the same rows"),
        (0.25, 1, True, "0.25 is not larger than the 0.25 of version 1"),
        (0.1, 1, True, "0.1 is not larger than the 0.25 of version 1"),
        (0.6, 2, False, "mean predictor"),
        (0.49, 2, True, "0.49 is not larger than the nan of version 2"),
    ],
)
def test_a_challenger_must_beat_the_mean_and_be_no_worse_than_the_champion(
    registry: Registry, eval_rmse: float, champion: int | None, takes_over: bool, says: str
) -> None:
    judgement = judge(registry, EXPERIMENT, challenger(eval_rmse), Path(), champion)
    assert judgement.takes_over is takes_over
    assert says in judgement.reason


@pytest.mark.parametrize("champion", [None, 1])
@pytest.mark.parametrize(("promote", "takes_over"), [("always", True), ("never", False)])
@pytest.mark.parametrize("eval_rmse", [0.1, 0.3, 0.6])
def test_a_job_may_decide_for_itself(
    registry: Registry, champion: int | None, promote: str, takes_over: bool, eval_rmse: float
) -> None:
    judgement = judge(
        registry, EXPERIMENT, challenger(eval_rmse, promote=promote), Path(), champion
    )
    assert judgement == Judgement(takes_over, f"its job says promote: {promote}")
