"""A service among what it finds around it: files, streams, variables."""

import sys
from pathlib import Path

import pytest

from tests.conftest import SMALL, running

STRANGERS = ["json", "keras", "logging", "models", "service", "tensorflow", "uvicorn"]
"""Modules that a user may have, and that we or the libraries import under the same names."""

NOT_OF_THE_COMMAND = ["keras", "sqlalchemy", "tensorflow", "uvicorn"]
"""Of such, those that only processes which `crosscheck serve` starts import."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("python_path", "modules"), [(None, STRANGERS), ("/nowhere:", NOT_OF_THE_COMMAND)]
)
def test_modules_in_the_working_folder_are_none_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python_path: str | None, modules: list[str]
) -> None:
    working_folder = tmp_path / "work"
    working_folder.mkdir()
    for name in modules:
        (working_folder / f"{name}.py").write_text(f"raise SystemExit('took the wrong {name}')")
    monkeypatch.chdir(working_folder)
    if python_path is not None:
        monkeypatch.setenv("PYTHONPATH", python_path)
    with running(tmp_path) as service:
        assert service.wait_for(service.train(**SMALL))["status"] == "succeeded"
        assert "took the wrong" not in service.log.read_text()


def redirected(how: str) -> list[str]:
    return ["sh", "-c", f'exec "$@" {how}', "sh"]


READER_IS_GONE = """
import os, sys
reader, writer = os.pipe()
os.dup2(writer, 1)
os.dup2(writer, 2)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize(
    "launcher",
    [
        redirected("0<&-"),
        redirected("1>&-"),
        redirected("2>&-"),
        redirected("> /dev/full 2>&1"),
        [sys.executable, "-c", READER_IS_GONE],
    ],
    ids=["no input", "no output", "no error", "full disk", "reader is gone"],
)
def test_it_serves_without_one_of_the_standard_streams(tmp_path: Path, launcher: list[str]) -> None:
    with running(tmp_path, "--no-worker", launcher=launcher) as service:
        assert service.get("/metrics")
        assert service.stop() == 0


@pytest.mark.slow
def test_it_trains_without_any_of_the_standard_streams(tmp_path: Path) -> None:
    with running(tmp_path, launcher=redirected("0<&- 1>&- 2>&-")) as service:
        assert service.wait_for(service.train(**SMALL))["status"] == "succeeded"
        assert service.stop() == 0
