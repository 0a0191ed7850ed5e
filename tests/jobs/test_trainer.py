from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from models.config import TrainConfig
from models.data import Dataset, Split
from models.experiment import TriplesExperiment
from service.jobs.patience import GivenUp
from service.jobs.trainer import Cancelled, judge, train
from service.jobs.work import Work
from service.registry.manifest import ONNX
from service.registry.promotion import Judgement
from service.registry.versions import Registry
from service.schemas import Metadata
from service.store.places import Places, places
from service.tables.store import DATA
from tests.models.chain import Layer, graph
from tests.registry.versions import JOB, OTHER_JOB, fill, metadata, publish, stage
from tests.store.machines import in_memory, keys, machine
from tests.tables.revisions import publish as publish_table


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
    judgement = judge(registry, lambda: EXPERIMENT, challenger(eval_rmse), Path(), champion)
    assert judgement.takes_over is takes_over
    assert says in judgement.reason


@pytest.mark.parametrize("champion", [None, 1])
@pytest.mark.parametrize(("promote", "takes_over"), [("always", True), ("never", False)])
@pytest.mark.parametrize("eval_rmse", [0.1, 0.3, 0.6])
def test_a_job_may_decide_for_itself(
    registry: Registry, champion: int | None, promote: str, takes_over: bool, eval_rmse: float
) -> None:
    asking = challenger(eval_rmse, promote=promote)
    judgement = judge(registry, lambda: EXPERIMENT, asking, Path(), champion)
    assert judgement == Judgement(takes_over, f"its job says promote: {promote}")


@pytest.fixture(params=["in the folder", "in a store"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Places:
    """With a table of which a version serves."""
    in_store = request.param == "in a store"
    made = machine(tmp_path, in_memory()) if in_store else places(tmp_path, "")
    made.registry.prepare()
    publish_table(made.tables, "houses")
    serving = challenger(0.3, dataset="houses").model_copy(update={"job_id": OTHER_JOB})
    publish(made.registry.of("houses"), serving)
    return made


def decided(where: Places, **dataset: Any) -> Work:
    """A job that was decided to publish, and has lost its worker then."""
    about = challenger(0.2, dataset={"kind": "table", "name": "houses", **dataset})
    registry = where.registry.of("houses")
    stage(registry, about)
    attempt = registry.staging.begin(JOB)
    return Work(JOB, about.config, where, attempt, 1, lambda told: None)


def nobody() -> None:
    """Is asked by nobody: all is decided."""
    raise AssertionError


@pytest.mark.parametrize("revision", [1, 2])
def test_a_decided_job_whose_table_is_gone_publishes_what_does_not_take_over(
    where: Places, revision: int
) -> None:
    """The first revision is damaged for good, and a second one is not there any more."""
    work = decided(where, revision=revision)
    registry = where.registry.of("houses")
    if where.store is None:
        (where.tables.folder("houses", 1) / DATA).write_bytes(b"torn")
    else:
        where.store.objects.delete([key for key in keys(where.store.objects) if DATA.name in key])
    (result,) = train(work, nobody, None)
    assert (result.model, result.version) == ("cross", 2)
    assert result.refused is not None
    assert result.refused.startswith("it cannot be held against version 1: ")
    assert registry.serving("cross") == 1


def test_a_decided_job_whose_dataset_is_gone_is_cancelled(where: Places) -> None:
    work = decided(where)
    where.tables.remove("houses")
    with pytest.raises(Cancelled):
        train(work, nobody, None)
    assert where.registry.of("houses").numbers("cross") == []


def test_a_champion_that_the_store_has_lost_is_not_taken_over_from(tmp_path: Path) -> None:
    objects = in_memory()
    registry = machine(tmp_path, objects).registry
    publish(registry, metadata())
    objects.delete([key for key in keys(objects) if key.endswith(ONNX.name)])
    judgement = judge(registry, lambda: EXPERIMENT, challenger(0.1), Path(), 1)
    assert judgement.takes_over is False
    assert "missing in the store" in judgement.reason


def test_rows_that_nothing_answers_for_ten_minutes_are_given_up_by_who_cannot_fail(
    registry: Registry,
) -> None:
    def away() -> TriplesExperiment:
        raise GivenUp("for ten minutes the store does not answer")

    judgement = judge(registry, away, challenger(0.1), Path(), 1)
    assert judgement == Judgement(
        False, "it cannot be held against version 1: for ten minutes the store does not answer"
    )
