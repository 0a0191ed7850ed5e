"""The running service keeps to its OpenAPI document, whatever `schemathesis` thinks of to send."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.jobs.worker_state import WorkerState
from tests.conftest import Service, running

EXAMPLES = os.environ.get("CROSSCHECK_TEST_EXAMPLES", "5")
"""Per operation; 200 take some minutes."""

ROOT = Path(__file__).parents[2]


KEY = "0123456789abcdef"


@pytest.fixture(scope="module", params=["", f"me:admin:{KEY}"], ids=["without keys", "with keys"])
def queueing(
    request: pytest.FixtureRequest,
    service: Service,
    trained: dict[str, Any],  # so there is something that serves
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    """A service with trained versions and a worker, as it believes, whose jobs never run."""
    folder = tmp_path_factory.mktemp("queueing")
    shutil.copytree(service.artifacts / "triples", folder / "artifacts" / "triples")
    WorkerState(folder / "artifacts").say("ready")
    soon = {"staleness_seconds": "1", "balancer_seconds": "0.5"}  # for `?wait=fleet`
    settings = {"max_queued_jobs": "100000", "api_keys": request.param, **soon}
    with running(folder, "--no-worker", **settings) as made:
        yield made


def test_every_answer_is_as_documented(queueing: Service) -> None:
    url = f"{queueing.client.base_url}/openapi.json"
    tool = Path(sys.executable).with_name("schemathesis")
    options = ["--max-examples", EXAMPLES, "--continue-on-failure", "--request-timeout", "30"]
    options += ["--header", f"Authorization: Bearer {KEY}"] if queueing.settings["api_keys"] else []
    ended = subprocess.run(
        [tool, "run", url, *options, "--no-color"],
        cwd=ROOT,  # where its settings are
        capture_output=True,
        text=True,
        check=False,
    )
    sys.stdout.write(ended.stdout)  # it names the seed
    assert ended.returncode == 0, ended.stderr
    assert "No issues found" in ended.stdout
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in ended.stdout


def test_every_refusal_is_documented_as_it_is_worded(service: Service) -> None:
    document = service.get("/openapi.json")
    refusals = document["components"]["responses"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            named = {status for status in operation["responses"] if status >= "400"}
            if path == "/readyz":
                named.remove("503")  # it says the same as 200, but that something is missing
            assert named <= refusals.keys(), (method, path)
    for name, refusal in refusals.items():
        media_type = "application/problem+json" if name.isdecimal() else "application/json"
        assert list(refusal["content"]) == [media_type]


@pytest.mark.parametrize("body", [{}, {"version": 1}])
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/train"), ("PUT", "/models/triples/cross/serving")]
)
def test_a_body_that_does_not_say_it_is_json_is_refused(
    service: Service, method: str, path: str, content_type: str, body: dict[str, int]
) -> None:
    headers = {"Content-Type": content_type}
    response = service.client.request(method, path, content=str(body), headers=headers)
    assert response.status_code == 415
    assert "application/json" in response.json()["detail"]


def test_the_limits_of_the_service_are_documented(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker", max_dataset_size="123", max_epochs="7") as limited:
        schemas = limited.get("/openapi.json")["components"]["schemas"]
    assert schemas["SyntheticDataset"]["properties"]["size"]["maximum"] == 123
    assert schemas["TrainConfig"]["properties"]["epochs"]["maximum"] == 7


@pytest.mark.parametrize("number", ["0", "-1", "9007199254740992", "1" * 300, "1" * 5000])
def test_a_version_that_cannot_be_is_refused(service: Service, trained: Any, number: str) -> None:
    json = {"Content-Type": "application/json"}
    body = f'{{"instances": [[0, 0, 0]], "model": "cross", "version": {number}}}'
    for method, path, content in (
        ("GET", f"/models/triples/cross/versions/{number}", None),
        ("PUT", "/models/triples/cross/serving", f'{{"version": {number}}}'),
        ("POST", "/predict", body),
    ):
        response = service.client.request(method, path, content=content, headers=json)
        assert response.status_code in (400, 422), (path, response.text)


@pytest.mark.parametrize("version", ["1.0", "1e0"])
def test_a_version_may_be_written_as_a_fraction(
    service: Service, trained: Any, version: str
) -> None:
    body = f'{{"instances": [[0, 0, 0]], "model": "cross", "version": {version}}}'
    response = service.client.post(
        "/predict", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.json()["version"] == 1, response.text
