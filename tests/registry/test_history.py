import itertools
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.registry import promotion
from service.registry.history import HISTORY, POINTER, changes, last_change, record
from service.registry.manifest import write_whole
from service.registry.versions import Registry
from service.schemas import Change
from tests.registry.versions import JOB, metadata, publish


def change(version: int, previous: int | None = None) -> Change:
    return Change(
        version=version,
        previous=previous,
        changed_at=datetime(2026, 1, version, tzinfo=UTC),
        reason=f"better than {previous}",
    )


ONE, TWO, THREE = change(1), change(2, 1), change(3, 2)


def test_changes_are_kept_newest_first(tmp_path: Path) -> None:
    assert changes(tmp_path) == []
    assert last_change(tmp_path) is None
    for each in (ONE, TWO, THREE):
        record(tmp_path, each)
    assert last_change(tmp_path) == THREE
    assert changes(tmp_path) == [THREE, TWO, ONE]
    assert changes(tmp_path, limit=2) == [THREE, TWO]
    assert len((tmp_path / HISTORY).read_text().splitlines()) == 3


def test_a_change_whose_maker_died_before_the_history_is_in_it_once(tmp_path: Path) -> None:
    record(tmp_path, ONE)
    write_whole(tmp_path / POINTER, TWO.model_dump_json() + "\n")
    assert changes(tmp_path) == [TWO, ONE]
    assert changes(tmp_path, limit=1) == [TWO]
    record(tmp_path, THREE)
    assert changes(tmp_path) == [THREE, TWO, ONE]
    assert len((tmp_path / HISTORY).read_text().splitlines()) == 3


@pytest.mark.parametrize("cut", [1, 10, 100])
def test_a_line_that_was_cut_short_is_mended(tmp_path: Path, cut: int) -> None:
    record(tmp_path, ONE)
    record(tmp_path, TWO)
    whole = (tmp_path / HISTORY).read_bytes()
    (tmp_path / HISTORY).write_bytes(whole[:-cut])
    assert changes(tmp_path) == [TWO, ONE]
    record(tmp_path, THREE)
    assert changes(tmp_path) == [THREE, TWO, ONE]


def test_a_change_that_cannot_be_kept_has_no_effect(tmp_path: Path) -> None:
    record(tmp_path, ONE)
    (tmp_path / HISTORY).unlink()
    (tmp_path / HISTORY).mkdir()
    with pytest.raises(IsADirectoryError):
        record(tmp_path, TWO)
    assert last_change(tmp_path) == ONE


def test_a_pointer_from_before_there_was_a_history_is_its_first_line(tmp_path: Path) -> None:
    (tmp_path / POINTER).write_text('{"version": 1}\n')
    record(tmp_path, TWO)
    old = changes(tmp_path)[1]
    assert old == Change(version=1)
    assert old.changed_at is None


@pytest.mark.parametrize("text", ["", "{", None])
def test_where_the_pointer_is_damaged_or_gone_the_history_says_what_serves(
    tmp_path: Path, text: str | None
) -> None:
    for each in (ONE, TWO, ONE):
        record(tmp_path, each)
    (tmp_path / POINTER).unlink()
    if text is not None:
        (tmp_path / POINTER).write_text(text)
    assert last_change(tmp_path) == ONE
    assert changes(tmp_path) == [ONE, TWO, ONE]
    record(tmp_path, THREE)
    assert changes(tmp_path) == [THREE, ONE, TWO, ONE]


def test_a_damaged_line_is_passed_over(tmp_path: Path) -> None:
    record(tmp_path, ONE)
    with (tmp_path / HISTORY).open("a") as file:
        file.write("{}\n")
    record(tmp_path, TWO)
    assert changes(tmp_path)[0] == TWO
    assert changes(tmp_path)[-1] == ONE


def test_of_many_changes_at_once_each_follows_another(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.prepare()
    for digit in "123456789":
        publish(registry, metadata(job_id=JOB.replace("1", digit)))

    def promote(number: int) -> None:
        for _ in range(10):
            promotion.promote(Registry(tmp_path), "cross", number, "ops")

    threads = [threading.Thread(target=promote, args=(number,)) for number in range(1, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    newest_first = registry.changes("cross", 1000)
    assert newest_first[0].version == registry.serving("cross")
    assert len(newest_first) > 9
    for newer, older in itertools.pairwise(newest_first):
        assert newer.previous == older.version
    assert newest_first[-1].previous is None
