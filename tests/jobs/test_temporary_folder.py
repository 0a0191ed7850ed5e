import multiprocessing.connection
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from service.jobs import temporary_folder

LONG = "x" * 200


@pytest.fixture(autouse=True)
def machines_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, and that this process has one; `prepare` changes both."""
    folder = tmp_path / f"own{LONG}"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def connects() -> bool:
    """Whether a socket can be made in the folder for temporary files, and found there."""
    address = os.path.join(tempfile.mkdtemp(prefix="pymp-"), "listener-01234567")
    with (
        multiprocessing.connection.Listener(address, "AF_UNIX"),
        multiprocessing.connection.Client(address, "AF_UNIX"),
    ):
        return True


def test_sockets_are_made_in_a_folder_with_a_long_name(tmp_path: Path) -> None:
    folder = tmp_path / LONG
    temporary_folder.prepare(folder)
    assert connects()
    assert [file.name[:5] for file in folder.iterdir()] == ["pymp-"]
    assert os.environ["TMPDIR"] == str(folder)


def test_what_others_left_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "worker"
    (folder / "left").mkdir(parents=True)
    temporary_folder.prepare(folder)
    assert not [*folder.iterdir()]


def test_a_worker_that_ends_leaves_nothing(tmp_path: Path) -> None:
    program = f"""
import multiprocessing.util, os
from pathlib import Path
from service.jobs import temporary_folder
folder = Path({str(tmp_path / "worker")!r})
temporary_folder.prepare(folder)
multiprocessing.util.get_temp_dir()
assert list(folder.iterdir())
temporary_folder.tidy_up(folder)
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert not (tmp_path / "worker").exists()


def test_where_there_can_be_no_sockets_they_are_left_to_the_machines_own_folder(
    tmp_path: Path, machines_own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "worker"
    name_for_sockets = temporary_folder._name_for_sockets

    def refuse(given: Path) -> str:
        if given == folder:
            raise OSError("Operation not supported")
        return name_for_sockets(given)

    monkeypatch.setattr(temporary_folder, "_name_for_sockets", refuse)
    temporary_folder.prepare(folder)
    assert connects()
    assert [file.name[:5] for file in machines_own.iterdir()] == ["pymp-"]


def test_a_folder_that_cannot_be_made_is_an_error() -> None:
    with pytest.raises(OSError, match="/proc/worker"):
        temporary_folder.prepare(Path("/proc/worker"))
