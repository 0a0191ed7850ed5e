import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from models.config import TrainConfig
from models.data import synthetic_triples
from service.jobs import compile_cache
from service.jobs.compile_cache import Cache

LIBRARY = "1.0"

OPERATORS_FLAG = "--tf_xla_min_cluster_size=4"


@pytest.fixture(autouse=True)
def flags(monkeypatch: pytest.MonkeyPatch) -> str:
    """What this process tells XLA, which `enable` changes."""
    monkeypatch.setenv("TF_XLA_FLAGS", OPERATORS_FLAG)
    return OPERATORS_FLAG


def enabled(root: Path, library: str = LIBRARY, /, **compiled: bytes) -> Cache:
    """The cache of a process that has compiled this since."""
    cache = compile_cache.enable(root, library)
    assert cache is not None
    for name, content in compiled.items():
        (cache.own / f"{name}.pb").write_bytes(content)
    return cache


def filled(root: Path, **entries: bytes) -> Path:
    """Where these recorded entries are."""
    cache = enabled(root, **entries)
    compile_cache.record(cache)
    return cache.kept


def entries(folder: Path) -> dict[str, bytes]:
    return {entry.stem: entry.read_bytes() for entry in folder.glob("*.pb")}


def test_recorded_entries_stay_and_xla_is_told_where_they_are(tmp_path: Path) -> None:
    folder = filled(tmp_path, one=b"1", two=b"22")
    kept, own = enabled(tmp_path)
    assert kept == folder
    assert entries(kept) == entries(own) == {"one": b"1", "two": b"22"}
    assert os.environ["TF_XLA_FLAGS"] == f'--tf_xla_persistent_cache_directory="{own}"'


def test_what_one_compiles_is_kept_though_another_begins_and_is_no_business_of_that(
    tmp_path: Path,
) -> None:
    at_work = enabled(tmp_path, one=b"1")
    new = enabled(tmp_path, two=b"2")
    assert entries(new.own) == {"two": b"2"}
    compile_cache.record(at_work)
    assert entries(enabled(tmp_path).own) == {"one": b"1"}
    compile_cache.record(new)
    assert entries(enabled(tmp_path).own) == {"one": b"1", "two": b"2"}


def test_who_records_says_nothing_for_what_another_has_put_there(tmp_path: Path) -> None:
    folder = filled(tmp_path, kept=b"kept", hurt=b"good")
    cache = enabled(tmp_path, new=b"new", same=b"mine")
    for name in ("hurt", "foreign", "same"):
        (folder / f"{name}.pb").unlink(missing_ok=True)
        (folder / f"{name}.pb").write_bytes(b"foreign")
    compile_cache.record(cache)
    assert entries(enabled(tmp_path).own) == {"kept": b"kept", "new": b"new"}


def test_what_processes_that_have_ended_leave_is_removed(tmp_path: Path) -> None:
    dead = filled(tmp_path, one=b"1") / compile_cache.RUNNING / "dead"
    dead.mkdir()
    own = enabled(tmp_path).own
    assert own.exists()
    assert not dead.exists()


@pytest.mark.parametrize("content", [b"damaged", b"goo", b"", b"good and more"])
def test_an_entry_that_is_not_as_recorded_is_removed(tmp_path: Path, content: bytes) -> None:
    folder = filled(tmp_path, kept=b"kept", hurt=b"good")
    (folder / "hurt.pb").write_bytes(content)
    own = enabled(tmp_path).own
    assert entries(folder) == entries(own) == {"kept": b"kept"}


def test_an_entry_that_was_never_recorded_is_removed(tmp_path: Path) -> None:
    folder = filled(tmp_path, kept=b"kept")
    (folder / "unfinished.pb").write_bytes(b"half of a prog")
    own = enabled(tmp_path).own
    assert entries(folder) == entries(own) == {"kept": b"kept"}


def test_an_entry_under_the_name_of_another_is_removed(tmp_path: Path) -> None:
    folder = filled(tmp_path, one=b"1", two=b"2")
    (folder / "one.pb").write_bytes(b"2")
    own = enabled(tmp_path).own
    assert entries(folder) == entries(own) == {"two": b"2"}


@pytest.mark.parametrize("digests", [None, b"", b'{"one.pb": ', b"[]", b"\xff\xfe", b"null"])
def test_without_sound_digests_every_entry_is_removed(
    tmp_path: Path, digests: bytes | None
) -> None:
    folder = filled(tmp_path, one=b"1")
    record = folder / compile_cache.DIGESTS
    record.unlink() if digests is None else record.write_bytes(digests)
    own = enabled(tmp_path).own
    assert entries(folder) == entries(own) == {}


def test_another_tensorflow_has_a_folder_of_its_own(tmp_path: Path) -> None:
    folder = filled(tmp_path, one=b"1")
    kept, own = enabled(tmp_path, "2.0")
    assert kept != folder
    assert entries(kept) == entries(own) == {}
    assert entries(folder) == {"one": b"1"}


def test_only_the_newest_entries_are_kept(tmp_path: Path) -> None:
    cache = enabled(tmp_path)
    for age in range(compile_cache.KEPT_ENTRIES + 2):
        entry = cache.own / f"{age}.pb"
        entry.write_bytes(b"")
        os.utime(entry, (1e9 - age, 1e9 - age))
    compile_cache.record(cache)
    kept = {str(age) for age in range(compile_cache.KEPT_ENTRIES)}
    assert set(entries(cache.kept)) == set(entries(enabled(tmp_path).own)) == kept


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

    cache = enabled(root, tensorflow.__version__)
    config = TrainConfig.model_validate({"epochs": 2, "batch_size": 10})
    losses = train("cross", synthetic_triples(20, seed=7), config).losses
    compile_cache.record(cache)
    return losses


def compiled(root: Path) -> set[tuple[str, int]]:
    """The compiled programs, those of a process as well, and when they were written."""
    return {(entry.name, entry.stat().st_mtime_ns) for entry in root.rglob("*.pb")}


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
    sound = {entry: entry.read_bytes() for entry in tmp_path.glob("*/*.pb")}
    assert sound
    for entry, content in sound.items():
        entry.write_bytes(bytes(byte ^ 0xFF for byte in content))

    assert fresh_processes.submit(train_with_cache, tmp_path).result() == losses
    assert {*tmp_path.glob("*/*.pb")} == set(sound)
    assert fresh_processes.submit(train_with_cache, tmp_path).result() == losses
