import io
import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from service.commands.tables import jobs_table
from tests.commands.conftest import Ask, ask_at, environment, on_terminal
from tests.conftest import CROSSCHECK, LONG, SMALL, Service
from tests.scripted import Answer, problem, scripted

SMALL_SET = ["--set", "dataset.size=2000", "--set", "epochs=3", "--set", "batch_size=200"]

DETACHED_AT = "crosscheck watch "


def lines(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_in_a_pipe_a_job_is_followed_by_lines_of_json(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    file.write_text(json.dumps({**SMALL, "epochs": 9}))
    ended = ask("train", file, "--set", "epochs=3", "--set", 'models=["cross"]')
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == b""
    jobs = lines(ended.stdout)
    assert len({job["id"] for job in jobs}) == 1
    last = jobs[-1]
    assert last["status"] == "succeeded"
    assert last["config"]["epochs"] == 3
    assert last["config"]["dataset"]["size"] == 2000
    assert [result["model"] for result in last["results"]] == ["cross"]


def test_a_job_may_come_from_the_standard_input_and_be_left_alone(
    ask: Ask, service: Service
) -> None:
    ended = ask("train", "-", "--no-wait", stdin=json.dumps(SMALL).encode())
    assert ended.returncode == 0
    (job,) = lines(ended.stdout)
    assert job["status"] == "queued"
    assert service.wait_for(job["id"])["status"] == "succeeded"


def test_a_job_that_fails_fails_the_command(ask: Ask) -> None:
    optimizer = '{"name": "sgd", "learning_rate": 1000}'
    ended = ask(
        *("train", *SMALL_SET, "--set", f"optimizer={optimizer}", "--set", 'models=["cross"]')
    )
    assert ended.returncode == 1
    assert lines(ended.stdout)[-1]["status"] == "failed"
    assert b"not finite" in ended.stderr


def following(service: Service, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [CROSSCHECK, *arguments],
        env=environment(str(service.client.base_url)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_job_that_is_cancelled_is_told_by_the_exit_code(ask: Ask, service: Service) -> None:
    job_id = service.train(**LONG)
    with following(service, "watch", job_id) as watching:
        assert watching.stdout is not None
        watching.stdout.readline()
        cancelled = ask("cancel", job_id)
        assert cancelled.returncode == 0
        assert lines(cancelled.stdout)[0]["status"] == "cancelled"
        _, said = watching.communicate()
        assert watching.returncode == 3
    assert b"cancelled" in said
    assert ask("watch", job_id).returncode == 3
    assert ask("cancel", job_id).returncode == 0


def test_an_interrupt_detaches_and_says_how_to_come_back(ask: Ask, service: Service) -> None:
    with following(service, "train", "--set", "epochs=10000") as training:
        assert training.stdout is not None
        job_id = json.loads(training.stdout.readline())["id"]
        training.send_signal(signal.SIGINT)
        _, said = training.communicate()
        assert training.returncode == 130
    assert f"{DETACHED_AT}{job_id}" in said.decode()
    assert service.get(f"/jobs/{job_id}")["status"] in ("queued", "running")
    with following(service, "watch") as watching:  # the newest job
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline())["id"] == job_id
        ask("cancel", job_id)
        watching.communicate()
        assert watching.returncode == 3


def test_a_terminal_shows_how_far_a_job_is_and_what_came_of_it(service: Service) -> None:
    code, shown = on_terminal(str(service.client.base_url), "train", *SMALL_SET)
    assert code == 0
    for wanted in ("queued", "succeeded", "eval RMSE", "trees", "cross"):
        assert wanted in shown
    assert '"status"' not in shown


def test_a_job_is_posted_under_one_key_however_often_it_is_tried() -> None:
    taken = Answer(202, {}, b'{"id": "1", "status": "queued"}')
    with scripted(Answer(None), problem(503, "busy", Retry_After="0"), taken) as server:
        ended = ask_at(server.url, "train", "--no-wait")
    assert ended.returncode == 0
    keys = {each.headers["idempotency-key"] for each in server.asked}
    assert len(server.asked) == 3
    assert len(keys) == 1
    with scripted(taken) as other:
        ask_at(other.url, "train", "--no-wait")
    assert other.asked[0].headers["idempotency-key"] not in keys


def test_jobs_are_listed_newest_first(ask: Ask, trained: dict[str, Any], service: Service) -> None:
    listed = lines(ask("jobs", "--status", "succeeded", "--limit", 200).stdout)
    assert trained["id"] in [job["id"] for job in listed]
    assert listed == sorted(listed, key=lambda job: str(job["created_at"]), reverse=True)
    assert len(lines(ask("jobs", "--limit", 1).stdout)) == 1
    code, shown = on_terminal(str(service.client.base_url), "jobs")
    assert code == 0
    assert listed[0]["id"] in shown


def test_what_the_service_refuses_is_one_line(ask: Ask) -> None:
    ended = ask("train", "--set", "epochs=many")
    assert ended.returncode == 1
    assert ended.stdout == b""
    assert ended.stderr.startswith(b"epochs: ")
    assert ended.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        *(["train", "nowhere.json"], ["train", "/"], ["train", "--set", "epochs"]),
        *(["train", "--set", "=1"], ["train", "--set", "a..b=1"]),
        *(["train", "--set", "dataset=houses", "--set", "dataset.size=1"],),
        *(["watch", "a", "b"], ["cancel"], ["jobs", "--limit", "0"], ["nothing"]),
    ],
)
def test_what_cannot_be_meant_is_2(arguments: list[str]) -> None:
    ended = ask_at("http://127.0.0.1:0", *arguments)
    assert ended.returncode == 2
    assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize("body", [b"{", b"[1]", b'{"epochs": NaN}', b"\xff", b""])
def test_a_body_that_is_no_json_object_is_2(body: bytes) -> None:
    ended = ask_at("http://127.0.0.1:0", "train", "-", stdin=body)
    assert ended.returncode == 2
    assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_is_4_and_is_never_shown(status: int) -> None:
    key = "0123456789abcdef"
    with scripted(problem(status, "the key is not known")) as server:
        ended = ask_at(server.url, "jobs", CROSSCHECK_API_KEY=key)
    assert ended.returncode == 4
    assert server.asked[0].headers["x-api-key"] == key
    assert key.encode() not in ended.stdout + ended.stderr
    assert b"CROSSCHECK_API_KEY" in ended.stderr


def test_what_can_be_no_key_is_4(service: Service) -> None:
    ended = ask_at(str(service.client.base_url), "jobs", CROSSCHECK_API_KEY="geheim\u00fc")
    assert ended.returncode == 4
    assert b"geheim" not in ended.stderr


def test_settings_of_a_server_in_the_same_shell_are_none_of_a_commands(service: Service) -> None:
    url = str(service.client.base_url)
    assert ask_at(url, "jobs", CROSSCHECK_PORT="x", CROSSCHECK_API_KEYS="y").returncode == 0


JOB: dict[str, Any] = {
    "id": "6fe1cbb4-5d1c-4b5e-9b3b-6f7a3f3c1f55",
    "config": {"dataset": {"name": "a-dataset-with-a-long-name"}, "patience": None},
    **{"created_at": "2026-11-29T08:32:06Z", "error": None, "waiting_for": None, "results": None},
}


def shown(job: dict[str, Any], width: int) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(jobs_table([JOB | job]))
    return console.export_text()


def test_ids_are_whole_on_a_narrow_terminal() -> None:
    assert JOB["id"] in shown({"status": "cancelled", "error": "a reason " * 20}, width=80)


@pytest.mark.parametrize(("patience", "of"), [(None, "of"), (10, "of at most")])
def test_how_far_a_job_is_says_whether_it_may_end_before(patience: int | None, of: str) -> None:
    progress = {"model": "dense", "epoch": 3, "epochs": 1000, "loss": 0.5}
    running = {"status": "running", "progress": progress}
    config = {**JOB["config"], "patience": patience}
    assert f"dense, epoch 3 {of} 1000" in shown({**running, "config": config}, width=160)


def test_a_baseline_has_no_epochs() -> None:
    progress = {"model": "trees", "epoch": 0, "epochs": 1, "loss": 0}
    assert "trees, baseline" in shown({"status": "running", "progress": progress}, width=160)
