"""Damaged versions of many datasets."""

import shutil

from service.registry.damage import Inspection
from service.registry.versions import Registry
from tests.registry.versions import fill, metadata

CHANGED = "saved_model.pb has changed"


def damage(registry: Registry, dataset: str, number: int = 1) -> None:
    folder = registry.of(dataset).folder("cross", number)
    fill(folder, metadata())
    (folder / "saved_model.pb").write_bytes(b"grapf")


def test_damaged_versions_of_all_datasets_are_found_by_name(registry: Registry) -> None:
    for dataset in ("houses", "flats"):
        damage(registry, dataset)
    fill(registry.of("boats").folder("cross", 1), metadata())
    inspection = Inspection(registry)
    assert inspection.look(["houses", "boats", "flats", "unknown"]) == [
        f"flats/cross/1: {CHANGED}",
        f"houses/cross/1: {CHANGED}",
    ]
    assert inspection.look(["boats"]) == []


def test_in_a_short_time_one_dataset_is_looked_at_and_others_are_remembered(
    registry: Registry,
) -> None:
    damage(registry, "a")
    inspection = Inspection(registry, seconds=0)
    assert inspection.look(["a", "b"]) == [f"a/cross/1: {CHANGED}"]
    shutil.rmtree(registry.of("a").folder("cross", 1))
    damage(registry, "b")
    assert inspection.look(["a", "b"]) == [f"a/cross/1: {CHANGED}", f"b/cross/1: {CHANGED}"]
    assert inspection.look(["a", "b"]) == [f"b/cross/1: {CHANGED}"]


def test_who_reads_a_damaged_version_makes_its_dataset_known(registry: Registry) -> None:
    damage(registry, "houses")
    fill(registry.of("flats").folder("cross", 1), metadata())
    assert registry.known_damaged() == set()
    for dataset in ("houses", "flats"):
        registry.of(dataset).serving("cross")
    assert registry.known_damaged() == {"houses"}
