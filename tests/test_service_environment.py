"""A service among what it finds around it: files, streams, variables."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CROSSCHECK, SMALL, WITH_BASELINES, Service, running
from tests.test_settings import SERVICE_LINKS

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
        assert service.wait_for(service.train(**WITH_BASELINES))["status"] == "succeeded"
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
        assert service.wait_for(service.train(**SMALL, models=["cross"]))["status"] == "succeeded"
        assert service.stop() == 0


ODD = "~ %2F?mode=ro #x 'q' \"d\" \\ $HOME ;&|+=:@ [a-b]* ü\nline"


@pytest.mark.slow
def test_a_job_trains_in_an_artifacts_folder_of_any_name(tmp_path: Path) -> None:
    (tmp_path / ODD).mkdir()
    with running(tmp_path / ODD) as service:
        assert service.wait_for(service.train(**SMALL, models=["cross"]))["status"] == "succeeded"
        assert service.predict([0.5, 0.5, 0.5])["version"] == 1
        assert [*service.artifacts.glob(".compiled/*/*.pb")]
    assert [*tmp_path.iterdir()] == [tmp_path / ODD]


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["x" * 90, "missing"])
def test_it_trains_whatever_folder_there_is_for_temporary_files_and_leaves_nothing_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    given = tmp_path / folder
    if folder != "missing":
        given.mkdir()
    monkeypatch.setenv("TMPDIR", str(given))
    monkeypatch.setenv("HOME", str(given))
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    with running(tmp_path) as service:
        assert service.wait_for(service.train(**WITH_BASELINES))["status"] == "succeeded"
        assert service.predict([0.5, 0.5, 0.5])["version"] == 1
        assert service.stop() == 0
    assert not given.is_dir() or not [*given.iterdir()]
    assert not [*service.artifacts.glob(".worker-*/*")]


@pytest.mark.slow
def test_what_a_killed_worker_left_is_removed_by_the_next(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        temporary = service.artifacts / ".worker-local.tmp"
        (left,) = service.until(lambda: [*temporary.glob("pymp-*")])
        service.find("worker").kill()
        (new,) = service.until(lambda: [f for f in temporary.glob("pymp-*") if f != left])
        assert [*temporary.iterdir()] == [new]


FOR_OTHER_PROGRAMS = {
    "KERAS_BACKEND": "jax",
    "KERAS_MAX_EPOCHS": "1",
    "KERAS_NNX_ENABLED": "1",
    "TF_USE_LEGACY_KERAS": "1",
    "TF_XLA_FLAGS": "--no_such_flag",
    "XLA_FLAGS": "--no_such_flag",
}

KERAS_JSON = """{
    "floatx": "float64", "epsilon": 0.1, "backend": "torch", "image_data_format": "channels_first"
}"""


@pytest.mark.slow
def test_what_is_set_for_other_programs_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: dict[str, Any]
) -> None:
    home = tmp_path / ".keras"
    home.mkdir()
    (home / "keras.json").write_text(KERAS_JSON)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(home))
    for name, value in FOR_OTHER_PROGRAMS.items():
        monkeypatch.setenv(name, value)
    with running(tmp_path) as service:
        job = service.wait_for(service.train(**SMALL))
        assert job["status"] == "succeeded"
        assert [r["scores"] for r in job["results"]] == [r["scores"] for r in trained["results"]]
        assert [*service.artifacts.glob(".compiled/*/*.pb")]


PROXIES = {
    name: "socks5://127.0.0.1:9"
    for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    for name in (proxy, proxy.lower())
}


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service beside others of Kubernetes, with variables that are empty or misspelt."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in SERVICE_LINKS.items():
            environment.setenv(name, value)
        environment.setenv("CROSSCHECK_PORT", "tcp://10.0.0.1:8000")
        environment.setenv("CROSSCHECK_PROT", "1")
        environment.setenv("CROSSCHECK_DEFAULT_DATASET", "")
        service = Service(tmp_path_factory.mktemp("linked"))
    try:
        yield service
    finally:
        service.kill_all()


def test_it_starts_beside_service_links_and_says_once_what_has_no_effect(linked: Service) -> None:
    linked.until(lambda: "worker local is ready" in linked.log.read_text())
    log = linked.log.read_text()
    assert log.count("enableServiceLinks: false") == 1
    assert log.count("CROSSCHECK_PROT is no setting: did you mean CROSSCHECK_PORT?") == 1
    assert "CROSSCHECK_SERVICE_HOST" not in log


def crosscheck(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CROSSCHECK, *arguments],
        env={**os.environ, **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("name", ["CROSSCHECK_ARTIFACTS_DIR", "CROSSCHECK_API_KEYS"])
@pytest.mark.parametrize("command", ["serve", "worker", "health"])
def test_the_home_folder_of_nobody_is_one_plain_line(command: str, name: str) -> None:
    refused = crosscheck(command, **{name: "~nobody-of-this-name/x"})
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"{name}: ")
    assert refused.stderr.endswith("there is no such home folder\n")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])  # noqa: S104
def test_health_is_asked_where_the_settings_say_and_through_no_proxy(
    service: Service, host: str
) -> None:
    where = {"CROSSCHECK_HOST": host, "CROSSCHECK_PORT": str(service.client.base_url.port)}
    healthy = crosscheck("health", **where, **PROXIES)
    assert (healthy.returncode, healthy.stdout, healthy.stderr) == (0, "", "")


def test_health_of_what_does_not_answer_is_bad() -> None:
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        ill = crosscheck("health", CROSSCHECK_PORT=str(bound.getsockname()[1]))
    assert ill.returncode == 1
    assert "Connection refused" in ill.stderr
    assert ill.stderr.count("\n") == 1


def test_health_of_what_is_no_service_is_bad() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        asking = subprocess.Popen(
            [CROSSCHECK, "health"], env={**os.environ, "CROSSCHECK_PORT": str(port)}
        )
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"SSH-2.0-garbage\r\n")
        assert asking.wait(30) == 1
