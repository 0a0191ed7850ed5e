"""Metrics, the registry and readiness over HTTP, against a running service."""

import math
from functools import partial
from typing import Any

import numpy as np
import pytest

from models.data import target
from tests.conftest import SMALL, WITH_BASELINES, Service


def test_metrics_compare_the_serving_versions(service: Service, trained: dict[str, Any]) -> None:
    rows = service.get("/metrics")["models"]
    assert rows["mean"]["parameters"] == 0
    for name, parameters in (("dense", 40), ("cross", 16)):
        row = rows[name]
        assert row["serving"]
        assert row["parameters"] == parameters or row["job_id"] != trained["id"]
        for split in ("train", "eval"):
            assert math.isclose(row[f"{split}_rmse"] ** 2, row[f"{split}_mse"])
        assert row["baseline"]["eval_rmse"] > row["eval_rmse"]


def test_baselines_and_a_verdict_stand_beside_the_networks(
    service: Service, trained: dict[str, Any]
) -> None:
    comparison = service.get("/metrics", job_id=trained["id"])
    rows = comparison["models"]
    assert list(rows) == ["mean", "linear", "products", "trees", "dense", "cross"]
    assert rows["products"]["eval_rmse"] < 1e-14
    assert rows["trees"]["seconds"] > 0
    verdict = comparison["verdict"]
    assert verdict["score"] == "eval_rmse"
    assert "neither beats linear, products or trees" in verdict["summary"]
    assert len(verdict["pairs"]) == 15
    for pair in verdict["pairs"]:
        apart = rows[pair["a"]]["eval_rmse"] - rows[pair["b"]]["eval_rmse"]
        assert pair["difference"] == pytest.approx(apart, abs=1e-9)
        assert pair["low"] <= pair["difference"] <= pair["high"]


def test_a_version_says_which_features_it_depends_on_and_which_it_multiplies(
    service: Service,
) -> None:
    best = {"preset": "best", "dataset": SMALL["dataset"], "restarts": 1, "promote": "never"}
    dense, cross = service.wait_for(service.train(**best))["results"]
    path = "/models/triples/{model}/versions/{version}/interactions"
    of_dense, of_cross = (service.get(path.format(**result)) for result in (dense, cross))
    assert of_dense["interactions"] is None
    importances = {each["feature"]: each["increase"] for each in of_cross["importances"]}
    assert importances.keys() == {"x0", "x1", "x2"}
    assert min(importances.values()) > 0
    pairs = {(each["a"], each["b"]) for each in of_cross["interactions"][:4]}
    assert pairs == {("x0", "x0"), ("x0", "x1"), ("x1", "x2"), ("x2", "x2")}


def test_a_job_may_leave_baselines_out(service: Service) -> None:
    recipe = {**SMALL, "models": ["cross"], "baselines": ["trees"], "promote": "never"}
    job = service.wait_for(service.train(**recipe))
    comparison = service.get("/metrics", job_id=job["id"])
    assert list(comparison["models"]) == ["mean", "trees", "cross"]


def test_repeats_are_reported_one_by_one_with_mean_and_spread(service: Service) -> None:
    recipe = {**SMALL, "models": ["cross"], "repeats": 3, "baselines": [], "promote": "never"}
    job = service.wait_for(service.train(**recipe))
    row = service.get("/metrics", job_id=job["id"])["models"]["cross"]
    errors = [repeat["scores"]["eval_rmse"] for repeat in row["repeats"]]
    assert len(set(errors)) == 3
    assert row["mean"]["eval_rmse"] == pytest.approx(np.mean(errors))
    assert row["standard_deviation"]["eval_rmse"] == pytest.approx(np.std(errors, ddof=1))
    (kept,) = [repeat for repeat in row["repeats"] if repeat["kept"]]
    assert kept["scores"]["eval_rmse"] == row["eval_rmse"]


def test_metrics_of_a_job_are_those_that_it_reported(
    service: Service, trained: dict[str, Any]
) -> None:
    rows = service.get("/metrics", job_id=trained["id"])["models"]
    for result in trained["results"]:
        row = rows[result["model"]]
        assert {name: row[name] for name in result["scores"]} == result["scores"]
        assert row["version"] == result["version"]


def test_the_reported_error_is_that_of_the_served_predictions(
    service: Service, trained: dict[str, Any]
) -> None:
    config = trained["config"]["dataset"]
    features = np.random.RandomState(config["seed"]).randint(200, size=(2000, 3)) / 200
    (_, cross) = trained["results"]
    answer = service.predict(*features[1800:].tolist(), model="cross", version=cross["version"])
    errors = np.array(answer["predictions"]) - target(features[1800:])
    rmse = float(np.sqrt(np.mean(errors**2)))
    assert rmse == pytest.approx(cross["scores"]["eval_rmse"], rel=1e-4)


def test_a_network_no_better_than_the_mean_is_kept_but_does_not_serve(service: Service) -> None:
    before = service.get("/models/triples/dense")["serving"]
    # One batch of one row, no step worth the name: the initial weights are published.
    lazy = {"name": "sgd", "learning_rate": 1e-12}
    job = service.wait_for(service.train(**SMALL, models=["dense"], optimizer=lazy, seed=1))
    (result,) = job["results"]
    assert job["status"] == "succeeded"
    assert "mean predictor" in result["refused"]
    assert service.get("/models/triples/dense")["serving"] == before
    rows = service.get("/metrics", job_id=job["id"])["models"]
    assert rows["dense"]["refused"] == result["refused"]
    assert not rows["dense"]["serving"]


def test_a_worse_network_is_kept_but_does_not_take_over(service: Service) -> None:
    better = {**SMALL, "models": ["cross"], "seed": 3}
    champion = service.wait_for(service.train(**better, promote="always"))["results"][0]
    job = service.wait_for(service.train(**{**better, "epochs": 1}))
    (worse,) = job["results"]
    assert service.get("/models/triples/cross")["serving"] == champion["version"]
    theirs, ours = champion["scores"]["eval_rmse"], worse["scores"]["eval_rmse"]
    assert theirs < ours
    assert worse["refused"] == (
        f"its eval RMSE of {ours:.10g} is larger than the {theirs:.10g} of version "
        f"{champion['version']} on the same rows"
    )
    again = service.wait_for(service.train(**better))["results"][0]
    assert again["refused"] is None  # as good is good enough
    assert service.get("/models/triples/cross")["serving"] == again["version"]


def test_a_job_may_ask_to_take_over_in_any_case_or_in_none(service: Service) -> None:
    recipe = {**SMALL, "models": ["cross"]}
    for promote, epochs in (("never", 4), ("always", 1)):
        before = service.get("/models/triples/cross")["serving"]
        job = service.wait_for(service.train(**{**recipe, "epochs": epochs}, promote=promote))
        (result,) = job["results"]
        serving = service.get("/models/triples/cross")["serving"]
        assert serving == (result["version"] if promote == "always" else before)
        assert result["refused"] == (None if promote == "always" else "its job says promote: never")


def test_the_history_tells_who_changed_what_serves(
    service: Service, trained: dict[str, Any]
) -> None:
    old = service.get("/models/triples/dense")["serving"]
    job = service.wait_for(service.train(**SMALL, models=["dense"], promote="always"))
    new = job["results"][0]["version"]
    service.client.put("/models/triples/dense/serving", json={"version": old}).raise_for_status()
    back, over, *_ = service.get("/models/triples/dense/history")["changes"]
    assert (over["previous"], over["version"], over["job_id"]) == (old, new, job["id"])
    assert over["reason"] == "its job says promote: always"
    assert (back["previous"], back["version"], back["job_id"]) == (new, old, None)
    assert back["reason"] == "rolled back by hand"
    assert over["changed_at"] < back["changed_at"]
    assert service.get("/models/triples/dense/history", limit=1)["changes"] == [back]


def test_the_models_tell_which_answers_by_default_and_why(
    service: Service, trained: dict[str, Any]
) -> None:
    other = {**SMALL, "dataset": {"size": 3000, "seed": 7}}
    job = service.wait_for(service.train(**other, models=["cross"], promote="always"))
    default = service.get("/models")["default"]
    answer = service.predict([0.5, 0.5, 0.5])
    assert (default["model"], default["version"]) == (answer["model"], answer["version"])
    assert f"cross version {job['results'][0]['version']}" in default["reason"]
    assert "rows that the job of" in default["reason"]  # the dense one had another dataset


def answers_with(service: Service, version: int) -> bool:
    return bool(service.predict([0, 0, 0], model="cross")["version"] == version)


def test_a_version_can_be_rolled_back_and_promoted_again(
    service: Service, trained: dict[str, Any]
) -> None:
    old = service.wait_for(service.train(**SMALL, models=["cross"]))["results"][0]["version"]
    other = {**SMALL, "models": ["cross"], "seed": 7, "promote": "always"}
    new = service.wait_for(service.train(**other))["results"][0]
    assert service.get("/models/triples/cross")["serving"] == new["version"]
    for version in (old, new["version"]):
        response = service.client.put("/models/triples/cross/serving", json={"version": version})
        assert response.status_code == 200
        assert response.json()["serving"]
        service.until(partial(answers_with, service, version))
        assert service.get("/metrics")["models"]["cross"]["version"] == version


def test_a_version_knows_how_it_was_made(service: Service, trained: dict[str, Any]) -> None:
    version = trained["results"][0]["version"]
    metadata = service.get(f"/models/triples/dense/versions/{version}")["metadata"]
    assert metadata["config"] == trained["config"]
    assert metadata["job_id"] == trained["id"]
    assert len(metadata["losses"]) == trained["config"]["epochs"]
    assert metadata["libraries"].keys() >= {"tensorflow", "keras", "numpy", "onnxruntime"}


def test_both_models_list_their_versions_newest_first(
    service: Service, trained: dict[str, Any]
) -> None:
    models = service.get("/models")["models"]
    assert [model["name"] for model in models] == ["dense", "cross", "deep_cross"]
    assert (models[-1]["serving"], models.pop()["versions"]) == (None, [])
    for model in models:
        numbers = [version["version"] for version in model["versions"]]
        assert numbers == sorted(numbers, reverse=True)
        assert model["serving"] in numbers


def test_the_versions_of_a_network_come_page_by_page(
    service: Service, trained: dict[str, Any]
) -> None:
    every = service.get("/models/triples/cross")
    assert every["next_cursor"] is None
    numbers: list[int] = []
    cursor: dict[str, int] = {}
    while True:
        page = service.get("/models/triples/cross", limit=1, **cursor)
        assert page["serving"] == every["serving"]
        numbers += [version["version"] for version in page["versions"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert numbers == [version["version"] for version in every["versions"]]


def test_it_is_told_what_answers_in_each_dataset(service: Service) -> None:
    service.wait_for(service.train(**WITH_BASELINES, promote="always"))
    (triples,) = service.get("/serving", q="triple")["datasets"]
    assert triples["default"] == service.get("/models")["default"]
    row = service.get("/metrics")["models"][triples["default"]["model"]]
    assert (triples["score"], triples["error"]) == ("eval_rmse", row["eval_rmse"])
    assert triples["baselines"].keys() >= {"mean", "linear", "products", "trees"}
    assert triples["since"] is not None


def test_residuals_are_those_of_the_reported_error(
    service: Service, trained: dict[str, Any]
) -> None:
    cross = trained["results"][1]
    told = service.get(f"/models/triples/cross/versions/{cross['version']}/residuals")
    assert (told["rows"], told["split"], len(told["sample"])) == (200, "eval", 200)
    errors = [true - predicted for true, predicted in told["sample"]]
    rmse = math.sqrt(sum(error**2 for error in errors) / 200)
    assert rmse == pytest.approx(cross["scores"]["eval_rmse"], rel=1e-4)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/models/triples/linear", None, 422),
        ("GET", "/models/triples/cross/versions/999", None, 404),
        ("GET", "/models/triples/cross/versions/x", None, 422),
        ("GET", "/models/triples/cross/versions/999/interactions", None, 404),
        ("GET", "/models/triples/cross/versions/999/residuals", None, 404),
        ("PUT", "/models/triples/cross/serving", {"version": 999}, 404),
        ("PUT", "/models/triples/cross/serving", {"version": "1"}, 422),
        ("PUT", "/models/triples/cross/serving", {}, 422),
        ("GET", "/models/triples/linear/history", None, 422),
        ("GET", "/models/triples/cross/history?limit=0", None, 422),
        ("GET", "/models/triples/cross/history?limit=1001", None, 422),
        ("GET", "/models/triples/cross?limit=0", None, 422),
        ("GET", "/models/triples/cross?cursor=0", None, 422),
        ("GET", "/serving?limit=101", None, 422),
        ("GET", "/serving?cursor=../x", None, 422),
        ("GET", "/metrics?job_id=1", None, 422),
        ("GET", "/nowhere", None, 404),
    ],
)
def test_what_does_not_exist_is_refused_as_a_problem(
    service: Service, trained: Any, method: str, path: str, body: Any, status: int
) -> None:
    response = service.client.request(method, path, json=body)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status


def test_a_service_with_all_that_it_needs_is_ready(
    service: Service, trained: dict[str, Any]
) -> None:
    ready = service.get("/readyz")
    assert ready["ready"]
    assert ready["missing"] == []
    assert ready["serving"].keys() == {"dense", "cross"}


def test_every_endpoint_is_documented(service: Service) -> None:
    paths = service.get("/openapi.json")["paths"]
    assert set(paths) == {
        "/datasets",
        "/datasets/{name}",
        "/datasets/{name}/rows",
        "/datasets/{name}/example",
        "/datasets/{name}/recipe",
        "/train",
        "/jobs",
        "/jobs/{job_id}",
        "/jobs/{job_id}/cancel",
        "/jobs/{job_id}/curves",
        "/jobs/{job_id}/events",
        "/metrics",
        "/monitoring/prometheus/metrics",
        "/predict",
        "/serving",
        "/models",
        "/models/{dataset}/{network}",
        "/models/{dataset}/{network}/versions/{number}",
        "/models/{dataset}/{network}/versions/{number}/interactions",
        "/models/{dataset}/{network}/versions/{number}/residuals",
        "/models/{dataset}/{network}/history",
        "/models/{dataset}/{network}/serving",
        "/livez",
        "/readyz",
        "/whoami",
        *(
            f"/v1/models/{{model}}{place}{below}"
            for place in ("", "/versions/{version}", "/labels/{label}")
            for below in ("", "/metadata", ":{verb}")
        ),
        *("/invocations", "/ping", "/health", "/version", "/score"),
        *("/v2", "/v2/health/live", "/v2/health/ready", "/v2/repository/index"),
        *(
            f"/v2/models/{{model}}{place}{below}"
            for place in ("", "/versions/{version}")
            for below in ("", "/ready", "/infer")
        ),
    }
    assert service.client.get("/docs").status_code == 200
