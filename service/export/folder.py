"""Writes a version's folder for another server: whole, or not at all."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from service.errors import Conflict
from service.export import mlflow, tfserving, triton
from service.export.chosen import Chosen

WRITERS: Mapping[str, Callable[[Chosen, Path], None]] = {
    "mlflow": mlflow.write,
    "triton": triton.write,
    "tfserving": tfserving.write,
}


def export(server: str, version: Chosen, folder: Path) -> None:
    """Writes a version for a server into a folder that is empty, or is not there yet.

    Raises:
        Conflict: Something is in the folder.
        OSError: It cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"{folder} is there already, and not empty")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as staging:
        made = Path(staging) / "made"
        WRITERS[server](version, made)
        made.rename(folder)
