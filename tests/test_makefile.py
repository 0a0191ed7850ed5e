import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What `make` runs is `python -c …`.
PRETEND = """#!/bin/sh
exec {python} -c "import sys; sys.version_info = {version}; exec(sys.argv[1])" "$2"
"""


def setup_with(version: tuple[int, int], folder: Path) -> str:
    """The last line of `make setup` with a Python that says to be of this version."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    python = folder / "python"
    python.write_text(PRETEND.format(python=sys.executable, version=version))
    python.chmod(0o755)
    command = ["make", "setup", f"PYTHON={python}"]
    ended = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    assert ended.returncode != 0  # for it makes no environment
    return ended.stderr.splitlines()[0]


@pytest.mark.parametrize("version", [(2, 7), (3, 10), (3, 14)])
def test_a_python_that_is_too_old_or_too_new_is_refused_in_plain_words(
    tmp_path: Path, version: tuple[int, int]
) -> None:
    line = setup_with(version, tmp_path)
    assert line.startswith("Crosscheck needs Python 3.11, 3.12 or 3.13, and ")
    assert "is {}.{}: ".format(*version) in line


@pytest.mark.parametrize("version", [(3, 11), (3, 13)])
def test_a_python_between_is_taken(tmp_path: Path, version: tuple[int, int]) -> None:
    assert "needs Python" not in setup_with(version, tmp_path)


def test_the_package_asks_for_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11,<3.14"
