"""Processes killed in the middle of a job: nothing is lost, and predictions go on."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.servers import publish_truth
from service.registry.versions import Registry
from tests.conftest import LONG, SMALL, Service, arguments, gone, running
from tests.registry.versions import JOB, OTHER_JOB

MEDIUM = {"dataset": {"size": 100_000}, "epochs": 300, "baselines": []}
"""A job of some seconds."""

pytestmark = pytest.mark.slow


def test_killing_the_child_fails_the_job_with_a_reason(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        job_id = service.train(**LONG)
        service.wait_for_progress(job_id)
        service.child().kill()
        job = service.wait_for(job_id)
        assert job["status"] == "failed"
        assert "SIGKILL" in job["error"]
        assert service.wait_for(service.train(**SMALL, models=["cross"]))["status"] == "succeeded"


def test_killing_the_worker_runs_the_job_again_while_predictions_go_on(published: Path) -> None:
    with running(published) as service:
        service.wait_until_it_predicts()
        answer = service.predict([0.5, 0.5, 0.5], model="cross")
        job_id = service.train(**MEDIUM)
        service.wait_for_progress(job_id)
        child = service.child()
        service.find("worker").kill()
        service.until(lambda: gone(child), seconds=2)
        assert service.predict([0.5, 0.5, 0.5], model="cross") == answer
        assert service.wait_for(job_id)["status"] == "succeeded"
        for name in ("dense", "cross"):
            jobs = [
                version["job_id"] for version in service.get(f"/models/triples/{name}")["versions"]
            ]
            assert jobs.count(job_id) == 1


def test_publishing_that_fails_halfway_is_done_again(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        pointer = service.artifacts / "triples" / "cross" / "serving.json"
        pointer.mkdir()  # so nobody can write to it
        job_id = service.train(**SMALL)
        service.until(lambda: "another child goes on to publish" in service.log.read_text())
        assert service.wait_for(job_id, "running")
        pointer.rmdir()
        job = service.wait_for(job_id)
        assert job["status"] == "succeeded", job["error"]
        assert [result["version"] for result in job["results"]] == [1, 1]
        assert service.get("/models/triples/cross")["serving"] == 1


def test_a_pointer_that_cannot_be_written_is_503(published: Path) -> None:
    with running(published, "--no-worker") as service:
        service.wait_until_it_predicts()
        pointer = service.artifacts / "triples" / "cross" / "serving.json"
        pointer.unlink()
        pointer.mkdir()
        response = service.client.put("/models/triples/cross/serving", json={"version": 1})
        assert response.status_code == 503
        assert response.json()["detail"] == "the artifacts folder cannot be used: Is a directory"
        assert int(response.headers["Retry-After"]) > 0
        assert service.predict([0.5, 0.5, 0.5])["version"] == 1


def test_without_its_database_the_service_predicts_and_waits_for_it(published: Path) -> None:
    in_its_place = published / "artifacts" / "jobs.sqlite"
    in_its_place.mkdir()
    with running(published) as service:
        service.wait_until_it_predicts()
        assert service.predict([0.5, 0.5, 0.5])["version"] == 1
        assert service.get("/readyz")["training"]["ready"] is False
        ready = service.client.get("/readyz", params={"for": "jobs"})
        assert ready.status_code == 503
        assert "the job database does not answer" in ready.json()["missing"]
        refused = service.client.post("/train", json=SMALL)
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        in_its_place.rmdir()
        jobs = {"for": "jobs"}
        service.until(lambda: service.client.get("/readyz", params=jobs).status_code == 200)
        assert service.wait_for(service.train(**SMALL, models=["cross"]))["status"] == "succeeded"
        log = service.log.read_text()
        assert "the job database cannot be used yet" in log
        assert "Traceback" not in log


def test_artifacts_that_cannot_be_read_make_a_prediction_503(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker") as service:
        folder = service.artifacts / "triples" / "cross"
        folder.rmdir()
        folder.touch()
        response = service.client.post("/predict", json={"instances": [[0.5, 0.5, 0.5]]})
        assert response.status_code == 503
        assert response.json()["detail"] == "the artifacts folder cannot be used: Not a directory"
        assert int(response.headers["Retry-After"]) > 0


def test_killing_the_fork_server_does_not_stop_the_next_job(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        job_id = service.train(**MEDIUM)
        service.wait_for_progress(job_id)
        parent = service.child().parent()
        assert parent is not None
        parent.kill()
        assert service.wait_for(job_id)["status"] == "succeeded"
        assert service.wait_for(service.train(**SMALL, models=["cross"]))["status"] == "succeeded"


def test_killing_the_fork_server_as_it_is_asked_for_a_child_fails_no_job(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        service.until(lambda: "is ready" in service.log.read_text())
        fork_server = next(
            process
            for process in service.find("worker").children()
            if "forkserver" in str(arguments(process))
        )
        fork_server.suspend()
        job_id = service.train(**SMALL, models=["cross"])
        service.wait_for(job_id, "running")
        service.until(lambda: service.get(f"/jobs/{job_id}")["started_at"])
        fork_server.kill()
        job = service.wait_for(job_id)
        assert job["status"] == "succeeded", job["error"]


def test_killing_the_api_loses_no_job_and_it_comes_back(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        job_id = service.train(**MEDIUM)
        service.wait_for_progress(job_id)
        service.find("api").kill()
        service.until(service.answers)
        assert service.wait_for(job_id)["status"] == "succeeded"
        assert service.predict([0.5, 0.5, 0.5])["model"] in ("dense", "cross")


def test_killing_the_supervisor_ends_every_process(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        job_id = service.train(**LONG)
        service.wait_for_progress(job_id)
        everybody = service.descendants()
        service.process.kill()
        service.process.wait()
        service.until(lambda: all(map(gone, everybody)), seconds=5)


def test_a_stopped_service_takes_its_job_up_again(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        job_id = service.train(**MEDIUM)
        service.wait_for_progress(job_id)
        everybody = service.descendants()
        assert service.stop() == 0
        service.until(lambda: all(map(gone, everybody)), seconds=3)
        service.start()
        assert service.wait_for(job_id)["status"] == "succeeded"


def test_a_job_that_is_cancelled_as_the_service_stops_stays_cancelled(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        job_id = service.train(**LONG)
        service.wait_for_progress(job_id)
        service.client.post(f"/jobs/{job_id}/cancel").raise_for_status()
        service.stop()
        service.start()
        assert service.get(f"/jobs/{job_id}")["status"] == "cancelled"


def test_ctrl_c_stops_everything(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        everybody = service.descendants()
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(5) == 0
        service.until(lambda: all(map(gone, everybody)), seconds=3)


def test_damaged_versions_are_named_and_not_served(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "artifacts")
    for job_id in (JOB, OTHER_JOB):
        publish_truth(registry, job_id)
    damaged = registry.folder("cross", 2) / "assets.extra" / "model.onnx"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    registry.folder("cross", 3).mkdir()
    with running(tmp_path, "--no-worker") as service:
        service.wait_until_it_predicts()
        assert service.predict([0.5, 0.5, 0.5])["version"] == 1
        named = service.get("/readyz")["damaged"]
        assert [name.partition(":")[0] for name in named] == ["triples/cross/3", "triples/cross/2"]
        assert service.client.get("/models/triples/cross/versions/2").status_code == 404


def test_the_saved_model_gives_the_served_predictions_without_crosscheck(
    service: Service, trained: dict[str, Any], tmp_path: Path
) -> None:
    program = """
import sys, tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
print(float(serve(features=tf.constant([[0.5, 0.25, 0.75]]))["predictions"][0, 0]))
"""
    (_, cross) = trained["results"]
    which = {"model": "cross", "version": cross["version"]}
    (served,) = service.predict([0.5, 0.25, 0.75], **which)["predictions"]
    saved = service.artifacts / "triples" / "cross" / str(cross["version"])
    printed = subprocess.run(
        [sys.executable, "-c", program, saved],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert float(printed) == pytest.approx(served, rel=1e-6)


def test_a_port_in_use_is_refused_in_plain_words(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker") as service:
        port = str(service.client.base_url.port)
        second = subprocess.run(
            [sys.executable, "-m", "service", "serve", "--port", port],
            check=False,
            capture_output=True,
            text=True,
        )
        assert second.returncode == 1
        assert port in second.stderr
        assert "Traceback" not in second.stderr


def test_more_jobs_than_the_queue_holds_are_sent_away(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker", max_queued_jobs="2") as service:
        for _ in range(2):
            service.train()
        response = service.client.post("/train")
        assert response.status_code == 429
        assert int(response.headers["retry-after"]) > 0
        assert len(service.get("/jobs")["jobs"]) == 2
