"""Artifacts on a disk that is full or read-only, with root and without."""

import errno
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from resource import RLIMIT_FSIZE

import psutil

from tests.faults.scene import Scene


def fill_disk(scene: Scene) -> None:
    """No space is left for the artifacts.

    Where the folder is a small file system of its own, a file takes all of it. Elsewhere no
    process of the service may write to any file, and the limit says so with another error.
    """
    if scene.service.artifacts.is_mount():
        _fill_the_file_system(scene)
    else:
        _forbid_to_write(scene)


def make_read_only(scene: Scene) -> None:
    """The artifacts folder cannot be written to: nothing can be made, renamed or removed in it.

    Files that a process has open already it can still write to. With a file system that an error
    has made read-only it could not.
    """
    folder = scene.service.artifacts
    if folder.is_mount():
        with _read_only_view(folder) as view:
            scene.wait()
            mount("--bind", view, folder)
            try:
                scene.last()
            finally:
                unmount(folder)
    else:
        scene.wait()
        with _without_permission(folder):
            scene.last()


def mount(*arguments: str | Path) -> None:
    """Mounts. Raises CalledProcessError where this user may not."""
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def unmount(folder: Path) -> None:
    """Takes the last mount off a folder, whoever still has files of it open."""
    subprocess.run(["umount", "--lazy", folder], check=True, capture_output=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A file system of 64 MiB at `folder`; yields whether there is one."""
    folder.mkdir()
    try:
        mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", folder)
    except (OSError, subprocess.CalledProcessError):
        yield False
        return
    try:
        yield True
    finally:
        unmount(folder)


@contextmanager
def _read_only_view(folder: Path) -> Iterator[Path]:
    """Another path to a folder: at its own, somebody may just be writing, which forbids this."""
    view = folder.with_name("read-only")
    view.mkdir(exist_ok=True)
    mount("--bind", folder, view)
    try:
        mount("-o", "remount,bind,ro", view)
        yield view
    finally:
        unmount(view)


def _fill_the_file_system(scene: Scene) -> None:
    filler = scene.service.artifacts / ".filler"
    try:
        with filler.open("ab", buffering=0) as file:
            _write_until_full(file, but_for=2 * 2**20)
            scene.wait()
            until = time.monotonic() + scene.random.uniform(0.5, 2.5)
            while time.monotonic() < until:  # what others remove meanwhile is taken, too
                _write_until_full(file)
                time.sleep(0.01)
    finally:
        filler.unlink()


def _write_until_full(file: FileIO, but_for: int = 0) -> None:
    while (disk := os.fstatvfs(file.fileno())).f_bavail * disk.f_frsize > but_for:
        try:
            file.write(bytes(2**20))
        except OSError as error:
            assert error.errno == errno.ENOSPC
            return


def _forbid_to_write(scene: Scene) -> None:
    def limit(size: int) -> None:
        for process in [psutil.Process(scene.service.process.pid), *scene.service.descendants()]:
            with suppress(psutil.NoSuchProcess):
                _, hard = process.rlimit(RLIMIT_FSIZE)
                process.rlimit(RLIMIT_FSIZE, (size if size >= 0 else hard, hard))

    scene.wait()
    limit(0)
    try:
        scene.last()
    finally:
        for _ in range(2):  # a process that was forked during the first time
            limit(-1)


@contextmanager
def _without_permission(folder: Path) -> Iterator[None]:
    everything = [folder, *folder.rglob("*")]
    modes = {path: path.lstat().st_mode for path in everything if not path.is_symlink()}
    _set_modes({path: stat.S_IMODE(mode) & ~0o222 for path, mode in modes.items()})
    try:
        yield
    finally:
        _set_modes({path: stat.S_IMODE(mode) for path, mode in modes.items()})


def _set_modes(modes: dict[Path, int]) -> None:
    for path, mode in modes.items():
        with suppress(FileNotFoundError):  # what jobs and uploads stage comes and goes
            path.chmod(mode)
