"""What serves of a dataset in an object store, where its files cannot be had."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.errors import Unavailable
from service.objects import Objects
from service.predict.serving import NOTHING, look
from service.registry import promotion
from service.registry.manifest import ONNX
from service.schemas import Canary
from service.store.places import Places
from tests.predict.tables import train
from tests.store.machines import in_memory, keys, machine, make_anew, refresh
from tests.tables.revisions import publish


@pytest.fixture
def objects() -> Objects:
    return in_memory()


@pytest.fixture
def here(objects: Objects, tmp_path: Path) -> Places:
    """A machine; on another one, two versions on a table were trained."""
    there, here = machine(tmp_path / "there", objects), machine(tmp_path / "here", objects)
    publish(there.tables, "houses", b"1")
    for bias in (1, 2):
        train(there, bias)
    refresh(here)
    return here


@contextmanager
def no_files() -> Iterator[None]:
    """Small objects can be had, files cannot."""

    def away(self: Objects, key: str, file: Path) -> str:
        raise Unavailable("the object store does not answer")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Objects, "download", away)
        yield


def test_no_other_version_takes_over_while_the_one_that_is_to_serve_cannot_be_fetched(
    here: Places, tmp_path: Path, objects: Objects
) -> None:
    registry = here.registry.of("houses")
    before = look(registry, NOTHING)
    (registry.folder("dense", 1) / ONNX).write_bytes(b"torn")
    there = machine(tmp_path / "there", objects)
    promotion.promote(there.registry.of("houses"), "dense", 1)
    refresh(here)
    with no_files(), pytest.raises(Unavailable):
        look(registry, before)
    now = look(registry, before)
    assert (now.networks["dense"].version, now.epoch) == (1, 3)


def test_what_a_deleted_dataset_has_left_here_does_not_serve_for_the_next_one(
    here: Places, tmp_path: Path, objects: Objects
) -> None:
    registry = here.registry.of("houses")
    registry.folder("dense", 1)
    before = look(registry, NOTHING)
    there = machine(tmp_path / "there", objects)
    make_anew(there, b"2")
    train(there)
    train(there)
    refresh(here)
    with no_files(), pytest.raises(Unavailable):
        look(registry, before)
    now = look(registry, before)
    assert now.networks["dense"].job_id == registry.metadata("dense", 2).job_id
    assert now.networks["dense"].job_id != before.networks["dense"].job_id
    assert now.epoch > before.epoch


def test_nothing_of_a_deleted_dataset_serves_for_the_next_one_before_that_has_versions(
    here: Places, tmp_path: Path, objects: Objects
) -> None:
    registry = here.registry.of("houses")
    before = look(registry, NOTHING)
    there = machine(tmp_path / "there", objects)
    make_anew(there, b"2")
    refresh(here)
    now = look(registry, before)
    assert not now.networks
    assert now.epoch > before.epoch


def test_a_canary_is_tried_once_it_can_be_fetched(
    here: Places, tmp_path: Path, objects: Objects
) -> None:
    registry = here.registry.of("houses")
    before = look(registry, NOTHING)
    (registry.folder("dense", 1) / ONNX).write_bytes(b"torn")
    there = machine(tmp_path / "there", objects).registry.of("houses")
    promotion.promote(there, "dense", 2, canary=Canary(version=1, percent=50))
    refresh(here)
    with no_files(), pytest.raises(Unavailable):
        look(registry, before)
    assert look(registry, before).trials["dense"].loaded.version == 1


def test_what_is_loaded_goes_on_where_the_store_has_lost_what_is_to_serve(
    here: Places, tmp_path: Path, objects: Objects
) -> None:
    registry = here.registry.of("houses")
    before = look(registry, NOTHING)
    others = set(keys(objects))
    train(machine(tmp_path / "there", objects))
    refresh(here)
    objects.delete([key for key in set(keys(objects)) - others if key.endswith(".onnx")])
    now = look(registry, before)
    assert now.networks == before.networks
    assert look(registry, now) is now
    assert not look(registry, NOTHING).networks
