"""For TensorFlow Serving: a base path, with the SavedModel below the number of its version."""

import shutil
from pathlib import Path

from service.export.chosen import Chosen
from service.registry.manifest import EXTRA


def write(version: Chosen, folder: Path) -> None:
    """Writes `{version}/saved_model.pb` and what belongs to it."""
    ours = shutil.ignore_patterns(str(EXTRA))
    shutil.copytree(version.folder, folder / str(version.version), ignore=ours)
