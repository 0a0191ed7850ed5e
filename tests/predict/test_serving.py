"""What serves of a dataset, as it is published, promoted, removed and made anew."""

import shutil
from pathlib import Path

import pytest

from models.config import ModelName
from service.errors import NotFound
from service.predict.formats.question import PREVIOUS
from service.predict.serving import NOTHING, look
from service.registry import promotion
from service.registry.versions import Registry
from tests.predict.tables import publish
from tests.registry.versions import OTHER_JOB


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return publish(tmp_path)


def test_nothing_serves_of_a_dataset_without_versions(tmp_path: Path) -> None:
    serving = look(Registry(tmp_path, "houses"), NOTHING)
    assert not serving.networks
    assert serving.at_hand(None, None) is None
    assert serving.at_hand("dense", None) is None


def test_what_has_not_changed_is_not_loaded_again(registry: Registry) -> None:
    serving = look(registry, NOTHING)
    assert look(registry, serving) is serving
    assert serving.at_hand(None, None) is serving.networks["dense"]
    assert serving.at_hand("dense", 1.0) is serving.networks["dense"]
    assert serving.at_hand("dense", 2) is None
    assert serving.at_hand("cross", None) is None


def test_a_promoted_version_takes_over_and_the_other_network_stays(
    registry: Registry, tmp_path: Path
) -> None:
    publish(tmp_path, network="cross")
    before = look(registry, NOTHING)
    publish(tmp_path, version=2, job_id=OTHER_JOB)
    promotion.promote(registry, "dense", 2)
    now = look(registry, before)
    assert now.networks["dense"].version == 2
    assert now.networks["cross"] is before.networks["cross"]


def test_what_is_promoted_during_a_look_has_an_epoch_of_its_own(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promotion.promote(registry, "dense", 1)
    publish(tmp_path, version=2, job_id=OTHER_JOB)
    serving_before, promoted = Registry.serving, list[ModelName]()

    def then_another_is_promoted(self: Registry, name: ModelName) -> int | None:
        number = serving_before(self, name)
        if (name, number) == ("dense", 1) and not promoted:
            promoted.append(name)
            promotion.promote(Registry(tmp_path, registry.dataset), "dense", 2)
        return number

    monkeypatch.setattr(Registry, "serving", then_another_is_promoted)
    serving = look(registry, NOTHING)
    assert (serving.networks["dense"].version, serving.epoch) == (2, 2)


def test_a_version_that_is_gone_or_damaged_goes_on_to_serve_while_its_dataset_is_there(
    registry: Registry,
) -> None:
    before = look(registry, NOTHING)
    shutil.rmtree(registry.folder("dense", 1))
    assert registry.serving("dense") is None
    assert look(registry, before).networks == before.networks


def test_where_all_are_damaged_the_same_one_answers_by_default_as_before(
    registry: Registry, tmp_path: Path
) -> None:
    publish(tmp_path, network="cross", scores={"validation_rmse": 0.5})
    before = look(registry, NOTHING)
    assert before.default
    for name in ("cross", "dense"):
        shutil.rmtree(tmp_path / "houses" / name / "1")
    now = look(registry, before)
    assert now.networks == before.networks
    assert now.default == before.default


def test_nothing_serves_of_a_dataset_that_is_removed(registry: Registry) -> None:
    before = look(registry, NOTHING)
    shutil.rmtree(registry.root)
    assert not look(registry, before).networks


def test_a_dataset_that_is_made_anew_is_another_one(registry: Registry, tmp_path: Path) -> None:
    before = look(registry, NOTHING)
    shutil.rmtree(registry.root)
    publish(tmp_path, bias=1, job_id=OTHER_JOB)
    now = look(registry, before)
    assert now.networks["dense"].version == before.networks["dense"].version == 1
    assert now.networks["dense"] is not before.networks["dense"]


def test_the_version_that_served_before_is_known(registry: Registry, tmp_path: Path) -> None:
    before = look(registry, NOTHING)
    with pytest.raises(NotFound, match="no other version of dense"):
        before.resolve("dense", PREVIOUS)
    publish(tmp_path, version=2, job_id=OTHER_JOB)
    promotion.promote(registry, "dense", 1)
    promotion.promote(registry, "dense", 2)
    now = look(registry, before)
    assert now.resolve("dense", PREVIOUS) == now.resolve(None, PREVIOUS) == ("dense", 1)
    promotion.promote(registry, "dense", 1)
    assert look(registry, now).resolve("dense", PREVIOUS) == ("dense", 2)


def test_a_version_of_no_network_is_one_of_that_which_answers_by_default(
    registry: Registry,
) -> None:
    serving = look(registry, NOTHING)
    assert serving.resolve(None, 7) == ("dense", 7)
    assert serving.resolve(None, None) == (None, None)
    assert serving.resolve("cross", 7) == ("cross", 7)
    assert NOTHING.resolve(None, 7) == (None, 7)
    with pytest.raises(NotFound):
        NOTHING.resolve(None, PREVIOUS)
