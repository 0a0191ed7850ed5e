import json
from typing import Any

import pytest

from tests.commands.conftest import Ask, ask_at, on_terminal
from tests.conftest import SMALL, Service


def test_a_comparison_is_as_the_service_says_it(
    ask: Ask, service: Service, trained: dict[str, Any]
) -> None:
    assert json.loads(ask("metrics").stdout) == service.get("/metrics")
    of_job = ask("metrics", "--job", trained["id"])
    assert json.loads(of_job.stdout) == service.get("/metrics", job_id=trained["id"])
    code, shown = on_terminal(str(service.client.base_url), "metrics")
    assert code == 0
    assert "eval RMSE" in shown
    assert service.get("/metrics")["verdict"]["summary"] in shown


def test_versions_are_listed_promoted_and_remembered(
    ask: Ask, service: Service, trained: dict[str, Any]
) -> None:
    assert json.loads(ask("models").stdout) == service.get("/models")
    promoted = ask("promote", "triples/cross", 1)
    assert promoted.returncode == 0, promoted.stderr
    assert json.loads(promoted.stdout)["serving"]
    changes = [json.loads(line) for line in ask("history", "triples/cross").stdout.splitlines()]
    assert changes == service.get("/models/triples/cross/history")["changes"]
    assert changes[0]["version"] == 1
    url = str(service.client.base_url)
    assert "cross" in on_terminal(url, "models")[1]
    assert "triples/cross: version 1 serves" in on_terminal(url, "promote", "triples/cross", 1)[1]
    assert changes[0]["reason"][:20] in on_terminal(url, "history", "triples/cross")[1]


def test_a_version_is_tried_beside_another_one(
    ask: Ask, service: Service, trained: dict[str, Any]
) -> None:
    for _ in range(2 - len(service.get("/models/triples/dense")["versions"])):
        service.wait_for(service.train(**SMALL, models=["dense"]))
    promoted = ask("promote", "triples/dense", 1, "--canary", 2, "--percent", 10.0)
    assert promoted.returncode == 0, promoted.stderr
    (trial,) = service.get("/metrics")["trials"]
    assert trial["canary"] == {"version": 2, "percent": 10}
    assert ask("promote", "triples/dense", 1).returncode == 0
    assert service.get("/metrics")["trials"] == []


def test_a_version_that_is_not_there_is_1(ask: Ask) -> None:
    refused = ask("promote", "triples/cross", 999_999)
    assert refused.returncode == 1
    assert b"no version 999999" in refused.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        *(["promote", "cross", "1"], ["promote", "a/b/c", "1"], ["promote", "triples/cross"]),
        *(["promote", "triples/cross", "0"], ["history", "/cross"], ["history", "triples/"]),
    ],
)
def test_what_names_no_network_is_2(arguments: list[str]) -> None:
    assert ask_at("http://127.0.0.1:0", *arguments).returncode == 2
