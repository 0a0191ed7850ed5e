"""Folders of what is under way, as processes come and go."""

import subprocess
import sys
import threading
from pathlib import Path

from service import taken_folder

HOLD = """
import sys, pathlib
from service import taken_folder
folder = taken_folder.take(pathlib.Path(sys.argv[1])).folder
(folder / "upload").write_bytes(b"half of it")
print(folder, flush=True)
sys.stdin.read()
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_what_a_living_process_needs_stays_and_what_a_dead_one_left_goes(tmp_path: Path) -> None:
    with hold(tmp_path) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        taken_folder.clear(tmp_path)
        assert (folder / "upload").exists()
        process.kill()
        process.wait()
    taken_folder.clear(tmp_path)
    assert not folder.exists()


def test_what_was_discarded_is_gone(tmp_path: Path) -> None:
    staged = taken_folder.take(tmp_path)
    (staged.folder / "upload").touch()
    taken_folder.discard(staged)
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_is_staged_there_is_nothing_to_clear(tmp_path: Path) -> None:
    taken_folder.clear(tmp_path / "none")


def test_a_folder_is_never_cleared_from_under_who_has_just_made_it(tmp_path: Path) -> None:
    done = threading.Event()

    def clear() -> None:
        while not done.is_set():
            taken_folder.clear(tmp_path)

    clearing = threading.Thread(target=clear)
    clearing.start()
    try:
        for _ in range(300):
            staged = taken_folder.take(tmp_path)
            (staged.folder / "upload").touch()
            taken_folder.discard(staged)
    finally:
        done.set()
        clearing.join()
