"""What a service says that cannot train, or cannot use its artifacts, and what it still does."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.servers import publish_truth
from service.jobs.worker_state import why_down
from service.registry.versions import Registry
from tests.conftest import CROSSCHECK, SMALL, Service, running

TRAIN = {"for": "jobs"}


def read_only(folder: Path) -> list[str]:
    """A command that runs what stands behind it where nobody can write to the folder."""
    if os.geteuid():
        folder.chmod(0o555)
        return []
    script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, str(folder)]


@pytest.mark.parametrize(
    ("options", "settings"), [(["--no-worker"], {}), ([], {"worker": "false"})]
)
def test_without_a_worker_it_is_ready_to_predict_and_says_that_jobs_wait(
    tmp_path: Path, options: list[str], settings: dict[str, str]
) -> None:
    with running(tmp_path, *options, **settings) as service:
        service.until(lambda: service.client.get("/readyz").status_code == 200)
        ready = service.get("/readyz")
        why = "no worker has been started: `crosscheck worker` is one"
        assert ready["missing"] == []
        assert ready["training"] == {"ready": False, "missing": [why]}
        for_jobs = service.client.get("/readyz", params=TRAIN)
        assert for_jobs.status_code == 503
        assert for_jobs.json()["missing"] == [why]
        job = service.client.post("/train", json=SMALL).json()
        assert job["status"] == "queued"
        assert job["waiting_for"] == why
        assert service.get(f"/jobs/{job['id']}")["waiting_for"] == why


def test_with_a_worker_it_is_ready_for_jobs_and_they_wait_for_nothing(service: Service) -> None:
    service.until(lambda: service.client.get("/readyz", params=TRAIN).status_code == 200)
    assert service.get("/readyz")["training"] == {"ready": True, "missing": []}
    assert service.get("/readyz", **TRAIN)["missing"] == []
    assert service.client.post("/train", json=SMALL).json()["waiting_for"] is None


def test_readiness_is_for_predictions_or_for_jobs(service: Service) -> None:
    assert service.get("/readyz", **{"for": "predictions"})["ready"]
    assert service.client.get("/readyz", params={"for": "lunch"}).status_code == 422


def says_why(service: Service) -> str:
    """Why training is down, once the worker has found out."""

    def why() -> str | None:
        missing = service.client.get("/readyz").json()["training"]["missing"]
        return next((each for each in missing if "cannot train" in each), None)

    return str(service.until(why))


@pytest.mark.slow
def test_a_worker_without_tensorflow_says_so_while_predictions_go_on(tmp_path: Path) -> None:
    missing = tmp_path / "packages"
    missing.mkdir()
    (missing / "tensorflow.py").write_text(
        "raise ModuleNotFoundError('No module named tensorflow', name='tensorflow')"
    )
    publish_truth(Registry(tmp_path / "artifacts"))
    with running(tmp_path, launcher=["env", f"PYTHONPATH={missing}"]) as service:
        why = says_why(service)
        assert why == (
            "the worker local cannot train: tensorflow is not installed; "
            "`pip install .[train]` brings all that it needs"
        )
        assert service.client.get("/readyz", params=TRAIN).status_code == 503
        assert service.client.post("/train", json=SMALL).json()["waiting_for"] == why
        assert service.predict([0.5, 0.5, 0.5])["predictions"] == [1.0]
        assert "This worker cannot train: tensorflow is not installed" in service.log.read_text()
        assert "Traceback" not in service.log.read_text()


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("AttributeError('module numpy has no attribute bool')", "AttributeError: module numpy"),
        ("ImportError('libz.so: no such file \\udcff')", "ImportError: libz.so: no such file"),
        ("ModuleNotFoundError('gone')", "ModuleNotFoundError: gone"),
        ("MemoryError", "there is too little memory"),
        ("SystemExit(3)", "the process that imports TensorFlow was killed"),
    ],
)
def test_a_worker_whose_tensorflow_is_broken_ends_and_says_how(
    tmp_path: Path, fault: str, why: str
) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "tensorflow.py").write_text(f"raise {fault}")
    ended = subprocess.run(
        [CROSSCHECK, "worker"],
        env={
            **os.environ,
            "CROSSCHECK_ARTIFACTS_DIR": str(tmp_path / "artifacts"),
            "PYTHONPATH": str(packages),
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"This worker cannot train: {why}")
    assert len(ended.stderr.splitlines()) == 1
    assert str(why_down(tmp_path / "artifacts")).startswith(f"the worker local cannot train: {why}")


@pytest.mark.slow
def test_a_worker_with_too_little_memory_says_so_while_predictions_go_on(tmp_path: Path) -> None:
    limited = ["sh", "-c", 'ulimit -v 1400000 && exec "$0" "$@"']
    publish_truth(Registry(tmp_path / "artifacts"))
    with running(tmp_path, launcher=limited) as service:
        assert says_why(service)
        service.until(lambda: service.client.get("/readyz").status_code == 200)
        assert service.predict([0.5, 0.5, 0.5])["predictions"] == [1.0]


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["worker"], ["demo"]])
@pytest.mark.parametrize("kind", ["a file", "of the kernel", "read-only"])
def test_a_folder_that_cannot_be_used_ends_the_start_in_one_line(
    tmp_path: Path, command: list[str], kind: str
) -> None:
    launcher: list[str] = []
    if kind == "a file":
        folder = tmp_path / "file"
        folder.touch()
    elif kind == "of the kernel":
        folder = Path("/proc/artifacts")
    else:
        folder = tmp_path / "read-only"
        folder.mkdir()
        launcher = read_only(folder)
    ended = subprocess.run(
        [*launcher, CROSSCHECK, *command],
        env={**os.environ, "CROSSCHECK_ARTIFACTS_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert f"The artifacts folder {folder} cannot be used: " in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_store_without_credentials_is_told_in_one_line(tmp_path: Path) -> None:
    environment = {**os.environ, "CROSSCHECK_STORE_URL": "az://container"}
    ended = subprocess.run(
        [CROSSCHECK, "serve", "--port", "0"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("CROSSCHECK_STORE_URL: the object store cannot be used: ")
    assert len(ended.stderr.splitlines()) == 1


def test_a_lock_that_a_worker_cannot_open_ends_its_start_in_one_line(tmp_path: Path) -> None:
    (tmp_path / ".worker-local.lock").mkdir()
    ended = subprocess.run(
        [CROSSCHECK, "worker"],
        env={**os.environ, "CROSSCHECK_ARTIFACTS_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        "This worker cannot train: .worker-local.lock cannot be used: Is a directory.\n"
    )


@pytest.mark.parametrize("copied", ["everything", "one network"])
def test_a_replica_that_can_only_read_predicts(tmp_path: Path, copied: str) -> None:
    artifacts = tmp_path / "artifacts"
    publish_truth(Registry(artifacts))
    if copied == "one network":
        shutil.rmtree(artifacts / "triples" / "dense", ignore_errors=True)
        shutil.rmtree(artifacts / ".staging", ignore_errors=True)
    with running(tmp_path, "--no-worker", launcher=read_only(artifacts)) as service:
        service.until(lambda: service.client.get("/readyz").status_code == 200)
        assert "cannot be written to" in str(service.get("/readyz")["training"]["missing"])
        assert service.predict([0.5, 0.5, 0.5])["predictions"] == [1.0]
        assert service.client.post("/train", json=SMALL).status_code == 503
        assert service.log.read_text().count("Traceback") == 0
    artifacts.chmod(0o755)
