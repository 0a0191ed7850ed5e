"""What is in `deploy/` and the Dockerfile, by the checkers of those who run such files.

A checker that is no Python package is skipped where it is not installed; `make test` installs it.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import yaml  # type: ignore[import-untyped]

from service.api.readiness import KEPT_SECONDS
from service.settings import Settings, without_effect
from tests.conftest import SMALL, running

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
SCRIPTS = Path(sys.executable).parent
BALANCER_SECONDS = Settings.model_fields["balancer_seconds"].default

ENDPOINTS_SECONDS = 5.0
"""Within which all nodes of a Kubernetes know that a pod is not ready."""

IMAGES = re.findall(r"AS (\w+)", (ROOT / "Dockerfile").read_text())


def checked(*command: str | Path) -> str:
    """The output of a checker that has no complaint."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_the_images_are_built_as_hadolint_advises() -> None:
    assert checked(SCRIPTS / "hadolint", ROOT / "Dockerfile") == ""


def test_compose_knows_every_key() -> None:
    checked(
        *(SCRIPTS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"),
        DEPLOY / "compose.yaml",
    )


def test_compose_builds_the_targets_of_the_dockerfile() -> None:
    targets = re.findall(r"target: (\w+)", (DEPLOY / "compose.yaml").read_text())
    assert set(targets) == {"serve", "train"} <= set(IMAGES)


def test_the_base_for_kubernetes_is_built_and_holds_its_schemas(tmp_path: Path) -> None:
    built = subprocess.run(
        [program("kubectl"), "kustomize", DEPLOY / "kustomize"],
        check=True, capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip
    (tmp_path / "built.yaml").write_text(built)
    said = checked(SCRIPTS / "kubernetes-validate", "--strict", tmp_path / "built.yaml")
    assert said.count("passed") == built.count("\nkind: ")
    assert all(f"image: crosscheck-{image}:" in built for image in ("serve", "train"))


def test_workers_are_scaled_by_the_jobs_that_wait_or_run(database_url: str, tmp_path: Path) -> None:
    found = re.search(r"query: >-\n(( {10}.+\n)+)", (DEPLOY / "keda.yaml").read_text())
    assert found is not None
    with running(tmp_path, "--no-worker", database_url=database_url) as service:
        jobs = [service.train(**SMALL) for _ in range(3)]
        service.client.post(f"/jobs/{jobs[0]}/cancel")
        with psycopg.connect(database_url) as database:
            assert database.execute(found[1].encode()).fetchone() == (2,)


def test_the_balancer_understands_its_configuration() -> None:
    addresses = {"LISTEN": ":8000", "API_1": "127.0.0.1:8001", "API_2": "127.0.0.1:8002"}
    command = [program("haproxy"), "-c", "-f", str(DEPLOY / "haproxy.cfg")]
    done = subprocess.run(
        command, env={**os.environ, **addresses}, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_kubernetes_takes_out_who_is_not_ready_while_a_promotion_waits_for_it() -> None:
    documents = yaml.safe_load_all((DEPLOY / "kustomize" / "api.yaml").read_text())
    (pods,) = (each["spec"]["template"]["spec"] for each in documents if "replicas" in each["spec"])
    (api,) = pods["containers"]
    values = {each["name"]: each.get("value") for each in api["env"]}
    given = values.get("CROSSCHECK_BALANCER_SECONDS", BALANCER_SECONDS)
    probe = api["readinessProbe"]
    probing = probe["periodSeconds"] * probe.get("failureThreshold", 3)
    seconds = KEPT_SECONDS + probing + probe.get("timeoutSeconds", 1) + ENDPOINTS_SECONDS
    assert seconds <= float(given)


def test_the_balancer_takes_out_who_is_not_ready_while_a_promotion_waits_for_it() -> None:
    configuration = (DEPLOY / "haproxy.cfg").read_text()
    ready = re.search(r"backend ready\n.+?check inter (\d+)s fall (\d+)", configuration, re.DOTALL)
    timeout = re.search(r"timeout check (\d+)s", configuration)
    assert ready is not None
    assert timeout is not None
    seconds = KEPT_SECONDS + int(ready[1]) * int(ready[2]) + int(timeout[1])
    assert "BALANCER_SECONDS" not in (DEPLOY / "compose.yaml").read_text()
    assert seconds <= BALANCER_SECONDS


def test_the_unit_is_one_that_systemd_understands(tmp_path: Path) -> None:
    systemd_analyze = program("systemd-analyze")
    unit = (DEPLOY / "systemd" / "crosscheck.service").read_text()
    # It looks for the program, which is not where it would be installed.
    here = unit.replace("/opt/crosscheck/bin/crosscheck", str(SCRIPTS / "crosscheck"))
    assert here != unit
    (tmp_path / "crosscheck.service").write_text(here)
    assert checked(systemd_analyze, "verify", tmp_path / "crosscheck.service") == ""
    checked(
        *(systemd_analyze, "security", "--offline=true", "--threshold=20"),
        tmp_path / "crosscheck.service",
    )


@pytest.mark.parametrize(
    "file",
    ["deploy/compose.yaml", "deploy/kustomize", "deploy/systemd", "Dockerfile"],
)
def test_every_variable_that_is_set_is_a_setting(file: str) -> None:
    path = ROOT / file
    files = [path] if path.is_file() else sorted(path.iterdir())
    names = set(re.findall(r"CROSSCHECK_[A-Z_]+", "".join(each.read_text() for each in files)))
    names -= {"CROSSCHECK_PORT"} if "kustomize" in file else set()
    assert names
    assert list(without_effect(dict.fromkeys(names, "x"))) == []
