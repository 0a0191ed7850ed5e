"""What comes of a training that several share, whoever does what of it."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from models.config import ModelName, TrainConfig
from models.courses import Step
from models.data import Split
from models.gradient_starts import TrainingDiverged
from models.least_squares import LeastSquares, Look
from models.parts import Part, alone, steps_of, timed
from models.training import Trained, Training, training
from service.jobs import hands
from service.jobs.curves import Losses
from service.jobs.hands import Claim, Hands
from service.jobs.packing import pack, pack_parts, unpack, unpack_parts
from service.jobs.recorder import Recorder
from service.schemas import Progress

MODELS: tuple[ModelName, ...] = ("dense", "cross")
EXACT = {"optimizer": {"name": "levenberg_marquardt", "max_evaluations": 20}}
DESCENT = {"epochs": 3, "batch_size": 20, "max_restarts": 1}

CONFIGS: dict[str, dict[str, Any]] = {
    "starts that compete": {**EXACT, "restarts": 12},
    "repeats": {**EXACT, "repeats": 3},
    "repeats of starts that compete": {**EXACT, "restarts": 6, "repeats": 2, "max_restarts": 1},
    "side by side": {**DESCENT, "repeats": 2, "restarts": 2},
}


def rows() -> Split:
    features = np.random.default_rng(1).random((60, 3))
    return Split(features, features[:, 0] * features[:, 1] + features[:, 2])


def trainings(config: TrainConfig) -> dict[ModelName, Training[Any]]:
    return {name: training(name, rows(), config) for name in MODELS}


def config_of(kind: str) -> TrainConfig:
    return TrainConfig.model_validate(
        {"models": list(MODELS), "dense": {"hidden_units": [3]}, **CONFIGS[kind]}
    )


class Elsewhere:
    """Other workers, each with nothing but what it was told; `takes` says which parts they do."""

    def __init__(self, config: TrainConfig, takes: Callable[[Part], bool]) -> None:
        self.trainings = trainings(config)
        self.takes = takes
        self.offered: dict[str, bytes] = {}
        self.done: dict[str, bytes] = {}
        self.withdrawn: list[str] = []

    def offer(self, parts: Sequence[Part]) -> None:
        self.offered |= {part.key: pack_parts([part]) for part in parts}

    def claim(self, part: Part) -> Claim:
        if part.key in self.done:
            return Claim("done", packed=self.done[part.key])
        if part.key not in self.offered or not self.takes(part):
            return Claim("ours")
        (told,) = unpack_parts(self.offered[part.key])
        train = self.trainings[told.network].trainer.train
        self.done[part.key] = pack(timed(train, told, lambda step: None))
        return Claim("theirs", Progress(model=part.network, epoch=1, epochs=2, loss=0.5))

    def withdraw(self, parts: Sequence[Part]) -> None:
        self.withdrawn += [part.key for part in parts]

    def look(self, network: ModelName, problem: LeastSquares) -> Look:
        raise AssertionError("triples are not read by row groups")

    def end(self) -> None:
        pass


def share_with(others: Elsewhere, config: TrainConfig, told: list[Any]) -> dict[str, Trained[Any]]:
    recorder = Recorder("mean squared error", told.append)
    ours = trainings(config)
    all_hands = Hands(ours, recorder, others)
    found: dict[str, Trained[Any]] = {}
    for name in MODELS:
        found[name] = ours[name].conclude(all_hands.share)
        recorder.end(name, [])
    return found


def facts(trained: Trained[Any]) -> Any:
    weights = [[each.tobytes() for each in of.network.get_weights()] for of in trained.repeats]
    return weights, trained.losses, trained.attempts, [of.seed for of in trained.repeats]


@cache
def facts_alone(kind: str) -> dict[ModelName, Any]:
    """What comes of a training that nobody shares."""
    return {name: facts(of.alone()) for name, of in trainings(config_of(kind)).items()}


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("share", ["all", "the cross ones", "every other one"])
def test_it_is_the_same_whoever_trains_what(
    kind: str, share: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hands, "LOOK_SECONDS", 0)
    config = config_of(kind)
    takes: dict[str, Callable[[Part], bool]] = {
        "all": lambda part: True,
        "the cross ones": lambda part: part.network == "cross",
        "every other one": lambda part: part.starts[0].seed % 2 == 0,
    }
    others = Elsewhere(config, takes[share])
    told: list[Any] = []
    found = share_with(others, config, told)
    assert others.done
    assert {name: facts(found[name]) for name in MODELS} == facts_alone(kind)
    assert any(isinstance(each, Progress) for each in told)
    assert any(isinstance(each, Losses) and each.courses for each in told)


def test_without_others_nothing_is_offered_and_a_part_is_trained_when_it_is_needed() -> None:
    config = config_of("starts that compete")
    ours = trainings(config)
    told: list[Any] = []
    nobody = Hands(ours, Recorder("mean squared error", told.append), None)
    found = facts(ours["cross"].conclude(nobody.share))
    assert found == facts_alone("starts that compete")["cross"]


def test_who_finds_a_perfect_start_has_the_rest_left() -> None:
    config = TrainConfig.model_validate({"models": ["cross"], **EXACT, "restarts": 12})
    others = Elsewhere(config, lambda part: False)
    found = share_with(others, config, [])
    assert found["cross"].attempts[0].outcome == "kept"
    assert others.withdrawn == ["cross-sample-1-47", "cross-sample-1-52"]
    assert {"cross-sample-1-47", "cross-sample-1-52"} <= others.offered.keys()


def test_what_fails_elsewhere_fails_here_in_its_own_words() -> None:
    hasty = {**DESCENT, "optimizer": {"name": "sgd", "learning_rate": 1000}, "epochs": 50}
    config = TrainConfig.model_validate({"models": list(MODELS), **hasty})
    others = Elsewhere(config, lambda part: False)  # as is claimed of a part that has failed
    with pytest.raises(TrainingDiverged, match="try a learning rate below 1000"):
        share_with(others, config, [])


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_steps_of_a_part_can_be_told_from_its_losses(kind: str) -> None:
    of = training("cross", rows(), config_of(kind))
    for part in of.trainer.first:
        seen: list[Step] = []
        starts = timed(of.trainer.train, part, seen.append)
        told = list(steps_of(part, starts))
        assert [step.starts for step in told] == [step.starts for step in seen]
        for ours, theirs in zip(told, seen, strict=True):
            np.testing.assert_allclose(ours.losses, theirs.losses, rtol=1e-12)


def test_starts_survive_packing_with_whatever_they_lost() -> None:
    of = training("dense", rows(), config_of("repeats"))
    (first, *_) = of.trainer.first
    (start,) = next(alone(of.trainer.train, lambda step: None)([first]))
    odd = start._replace(losses=[np.inf, 1.0], error=np.inf, validation_losses=[0.1], best_epoch=1)
    (again,) = unpack(pack([odd]), of.build)
    assert again._replace(network=None) == odd._replace(network=None)
    for ours, theirs in zip(again.network.get_weights(), start.network.get_weights(), strict=True):
        assert ours.dtype == theirs.dtype
        assert (ours == theirs).all()
