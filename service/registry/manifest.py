"""What makes a version's folder whole: every file is there and as it was when sealed."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.schemas import Metadata

EXTRA = Path("assets.extra")
ONNX = EXTRA / "model.onnx"
METADATA = EXTRA / "metadata.json"
HELD_OUT = EXTRA / "held_out.json"
"""Rows that the version was not trained on: `instances`, as in `POST /predict`, and `targets`."""

COMPARISON = EXTRA / "comparison.json"
"""What its job measured beside it: `service.registry.shapes.Measured`."""

INTERACTIONS = EXTRA / "interactions.json"
"""What it found in the features: `service.registry.shapes.Interactions`."""

MANIFEST = EXTRA / "manifest.sha256"
"""SHA-256 of every other file, as `sha256sum --check` reads it."""


class Damaged(Exception):
    """A version's folder is not what was sealed."""


def seal(folder: Path, metadata: Metadata) -> None:
    """Completes a folder with its metadata and its manifest, and brings all of it to the disk.

    A folder may be sealed again with other metadata, and so after a call that was cut short.
    """
    write_whole(folder / METADATA, metadata.model_dump_json(indent=1) + "\n")
    seal_files(folder, MANIFEST)


def seal_files(folder: Path, manifest: Path) -> None:
    """Writes the manifest of a folder's files, and brings all of it to the disk."""
    sealed = [path for path in _files(folder) if path != folder / manifest]
    digests = [f"{_sha256(path)}  {path.relative_to(folder)}\n" for path in sealed]
    write_whole(folder / manifest, "".join(digests))
    for path in folder.rglob("*"):
        sync(path)
    sync(folder)


def verify(folder: Path) -> Metadata:
    """Hashes every file of a sealed folder and returns its metadata.

    Raises:
        Damaged: A file is missing, has changed, cannot be read or does not belong there.
    """
    with _counting_as_damage():
        verify_files(folder, MANIFEST, {METADATA, ONNX})
        return Metadata.model_validate_json((folder / METADATA).read_bytes())


def verify_files(folder: Path, manifest: Path, needed: set[Path]) -> None:
    """Hashes every file of a sealed folder, which must hold those that are `needed`.

    Raises:
        Damaged: A file is missing, has changed, cannot be read or does not belong there.
    """
    with _counting_as_damage():
        lines = (folder / manifest).read_text().splitlines()
        sealed = {Path(path): digest for digest, path in (line.split("  ", 1) for line in lines)}
        found = {path.relative_to(folder) for path in _files(folder)} - {manifest}
        if missing := {*needed, *sealed} - found:
            raise Damaged(f"{min(missing)} is missing")
        if foreign := found - sealed.keys():
            raise Damaged(f"{min(foreign)} does not belong to it")
        for path, digest in sealed.items():
            if _sha256(folder / path) != digest:
                raise Damaged(f"{path} has changed")


@contextmanager
def _counting_as_damage() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise Damaged(f"{Path(error.filename).name} is missing") from None
    except (OSError, ValueError) as error:
        raise Damaged(f"it cannot be read: {type(error).__name__}") from error


def signature(folder: Path) -> bytes:
    """A digest of the names, sizes and times of all files: another as soon as any is written to."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.digest()


def numbered(folder: Path) -> list[int]:
    """The numbers of what is called 1, 2, … in a folder, newest first; none if it is not there."""
    try:
        entries = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted((int(e) for e in entries if e.isdecimal() and e[0] != "0"), reverse=True)


def write_whole(path: Path, text: str) -> None:
    """Writes a file that a reader finds as it was or as it is now; one writer at a time."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_text(text)
        sync(temporary)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """Brings a file's bytes, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
