import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from models.config import TrainConfig
from models.data import synthetic_triples
from service.jobs import compile_cache

LIBRARY = "1.0"

OPERATORS_FLAG = "--tf_xla_min_cluster_size=4"


@pytest.fixture(autouse=True)
def flags(monkeypatch: pytest.MonkeyPatch) -> str:
    """What this process tells XLA, which `enable` changes."""
    monkeypatch.setenv("TF_XLA_FLAGS", OPERATORS_FLAG)
    return OPERATORS_FLAG


def filled(root: Path, **entries: bytes) -> Path:
    """A cache with these recorded entries."""
    folder = compile_cache.enable(root, LIBRARY)
    assert folder is not None
    for name, content in entries.items():
        (folder / f"{name}.pb").write_bytes(content)
    compile_cache.record(folder)
    return folder


def entries(folder: Path) -> dict[str, bytes]:
    return {entry.stem: entry.read_bytes() for entry in folder.glob("*.pb")}


def test_recorded_entries_stay_and_xla_is_told_where_they_are(tmp_path: Path) -> None:
    folder = filled(tmp_path, one=b"1", two=b"22")
    assert compile_cache.enable(tmp_path, LIBRARY) == folder
    assert entries(folder) == {"one": b"1", "two": b"22"}
    assert os.environ["TF_XLA_FLAGS"] == f'--tf_xla_persistent_cache_directory="{folder}"'


@pytest.mark.parametrize("content", [b"damaged", b"goo", b"", b"good and more"])
def test_an_entry_that_is_not_as_recorded_is_removed(tmp_path: Path, content: bytes) -> None:
    folder = filled(tmp_path, kept=b"kept", hurt=b"good")
    (folder / "hurt.pb").write_bytes(content)
    compile_cache.enable(tmp_path, LIBRARY)
    assert entries(folder) == {"kept": b"kept"}


def test_an_entry_that_was_never_recorded_is_removed(tmp_path: Path) -> None:
    folder = filled(tmp_path, kept=b"kept")
    (folder / "unfinished.pb").write_bytes(b"half of a prog")
    compile_cache.enable(tmp_path, LIBRARY)
    assert entries(folder) == {"kept": b"kept"}


def test_an_entry_under_the_name_of_another_is_removed(tmp_path: Path) -> None:
    folder = filled(tmp_path, one=b"1", two=b"2")
    (folder / "one.pb").write_bytes(b"2")
    compile_cache.enable(tmp_path, LIBRARY)
    assert entries(folder) == {"two": b"2"}


@pytest.mark.parametrize("digests", [None, b"", b'{"one.pb": ', b"[]", b"\xff\xfe", b"null"])
def test_without_sound_digests_every_entry_is_removed(
    tmp_path: Path, digests: bytes | None
) -> None:
    folder = filled(tmp_path, one=b"1")
    record = folder / compile_cache.DIGESTS
    record.unlink() if digests is None else record.write_bytes(digests)
    assert compile_cache.enable(tmp_path, LIBRARY) == folder
    assert entries(folder) == {}


def test_another_tensorflow_has_a_folder_of_its_own(tmp_path: Path) -> None:
    folder = filled(tmp_path, one=b"1")
    other = compile_cache.enable(tmp_path, "2.0")
    assert other is not None
    assert other != folder
    assert entries(other) == {}
    assert entries(folder) == {"one": b"1"}


def test_only_the_newest_entries_are_kept(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    for age in range(compile_cache.KEPT_ENTRIES + 2):
        entry = folder / f"{age}.pb"
        entry.write_bytes(b"")
        os.utime(entry, (1e9 - age, 1e9 - age))
    compile_cache.record(folder)
    assert set(entries(folder)) == {str(age) for age in range(compile_cache.KEPT_ENTRIES)}


def test_a_folder_that_cannot_be_used_leaves_the_cache_off(
    tmp_path: Path, flags: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert compile_cache.enable(tmp_path / "file" / "cache", LIBRARY) is None
    assert os.environ["TF_XLA_FLAGS"] == flags
    assert "without a cache" in caplog.text


@pytest.fixture(scope="module")
def fresh_processes() -> Iterator[ProcessPoolExecutor]:
    """Runs each call in a process of its own, in which TensorFlow has run nothing yet."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["service.jobs.trainer"])
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as processes:
        yield processes


def train_with_cache(root: Path) -> list[float]:
    """What a job does with its cache; returns the losses."""
    import tensorflow

    from models.training import train

    folder = compile_cache.enable(root, tensorflow.__version__)
    assert folder is not None
    config = TrainConfig.model_validate({"epochs": 2, "batch_size": 10})
    losses = train("cross", synthetic_triples(20, seed=7), config).losses
    compile_cache.record(folder)
    return losses


def compiled(root: Path) -> dict[Path, int]:
    """The compiled programs and when they were written."""
    return {entry: entry.stat().st_mtime_ns for entry in root.rglob("*.pb")}


def test_a_process_runs_what_another_compiled(
    tmp_path: Path, fresh_processes: ProcessPoolExecutor
) -> None:
    root = tmp_path / "a folder with spaces"
    losses = fresh_processes.submit(train_with_cache, root).result()
    programs = compiled(root)
    assert programs
    assert fresh_processes.submit(train_with_cache, root).result() == losses
    assert compiled(root) == programs


def test_a_job_trains_on_after_every_program_was_damaged(
    tmp_path: Path, fresh_processes: ProcessPoolExecutor
) -> None:
    losses = fresh_processes.submit(train_with_cache, tmp_path).result()
    sound = {entry: entry.read_bytes() for entry in compiled(tmp_path)}
    assert sound
    for entry, content in sound.items():
        entry.write_bytes(bytes(byte ^ 0xFF for byte in content))

    assert fresh_processes.submit(train_with_cache, tmp_path).result() == losses
    assert set(compiled(tmp_path)) == set(sound)
    assert fresh_processes.submit(train_with_cache, tmp_path).result() == losses
