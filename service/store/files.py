"""The files of a folder as objects, each with its size and hash."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import msgspec

from service.objects import Objects
from service.registry.manifest import Damaged

AT_ONCE = 8


class File(msgspec.Struct, frozen=True):
    """A file, and the object that has its bytes."""

    path: str
    key: str
    size: int
    sha256: str


def upload(objects: Objects, folder: Path, prefix: str, but: Collection[Path]) -> list[File]:
    """Writes the files of a folder, except for some, below a prefix that nobody else writes to."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())

    def one(path: Path) -> File:
        name = path.relative_to(folder).as_posix()
        digest = objects.upload(f"{prefix}/{name}", path)
        return File(name, f"{prefix}/{name}", path.stat().st_size, digest)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(one, [p for p in paths if p.relative_to(folder) not in but]))


def download(objects: Objects, files: Collection[File], folder: Path) -> None:
    """Brings files into a folder that it makes.

    Raises:
        Damaged: An object is gone, or not what was written.
    """
    folder.mkdir(parents=True)

    def one(file: File) -> None:
        if (inside := PurePosixPath(file.path)).is_absolute() or ".." in inside.parts:
            raise Damaged(f"{file.path} is no path inside of it")
        path = folder / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            digest = objects.download(file.key, path)
        except FileNotFoundError:
            raise Damaged(f"{file.path} is missing in the store") from None
        if digest != file.sha256:
            raise Damaged(f"{file.path} has changed in the store")

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(one, files))
