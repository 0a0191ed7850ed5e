"""From a file to a served network that takes its columns by name."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

from service.tables.store import Tables
from tests.conftest import Service, running

FAST: dict[str, Any] = {
    "optimizer": {"name": "adam", "learning_rate": 0.02},
    "batch_size": 50,
    "epochs": 15,
    "max_restarts": 0,
}
"""A small table is learned in a second."""

CITIES = ["Oslo", "Rome", "Bern"]


def houses(rows: int, seed: int = 0) -> pa.Table:
    """Numbers, texts, missing values, and a price that depends on products."""
    draw = np.random.default_rng(seed)
    rooms = draw.integers(1, 9, rows)
    area = np.round(draw.normal(70, 20, rows), 1)
    city = draw.integers(0, len(CITIES), rows)
    return pa.table(
        {
            "rooms": rooms,
            "area": pa.array(area, mask=draw.random(rows) < 0.1),
            "city": pa.array(np.array(CITIES)[city], mask=draw.random(rows) < 0.1),
            "price": np.round(rooms * area / 10 + 20 * city, 2),
        }
    )


def put(service: Service, name: str, table: pa.Table, **query: str) -> dict[str, Any]:
    sink = pa.BufferOutputStream()
    csv.write_csv(table, sink)
    response = service.client.put(
        f"/datasets/{name}",
        params={"target": "price"} | query,
        content=sink.getvalue().to_pybytes(),
        headers={"Content-Type": "text/csv"},
    )
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


@pytest.fixture(scope="module")
def job(service: Service) -> dict[str, Any]:
    """A job on the dataset `houses` that has published both networks."""
    put(service, "houses", houses(1000))
    made = service.wait_for(service.train(dataset="houses", **FAST))
    assert made["status"] == "succeeded", made
    return made


def test_a_table_is_trained_on_compared_and_answers_by_column_name(
    service: Service, job: dict[str, Any]
) -> None:
    comparison = service.get("/metrics", dataset="houses")
    assert comparison["dataset"] == "houses"
    assert comparison == service.get("/metrics", job_id=job["id"])
    mean, dense, cross = (comparison["models"][name] for name in ("mean", "dense", "cross"))
    for row in (dense, cross):
        assert row["serving"]
        assert row["test_rmse"] < 0.5 * mean["test_rmse"]
        assert row["dataset"]["revision"] == 1
    best = min((dense, cross), key=lambda row: row["validation_rmse"])
    instances = [{"rooms": 3, "area": 71.5, "city": "Oslo"}, {"city": None}, [3, 71.5, "Oslo"]]
    answer = service.predict(*instances, dataset="houses")
    assert answer["predictions"][0] == answer["predictions"][2] == pytest.approx(21, abs=15)
    assert answer["version"] == best["version"]
    assert service.get("/models", dataset="houses")["default"]["model"] == answer["model"]


def test_a_job_is_not_trained_on_another_table_that_has_come_in_the_place_of_its_own(
    tmp_path: Path,
) -> None:
    with running(tmp_path, "--no-worker") as service:
        put(service, "houses", houses(200))
        job_id = service.train(dataset="houses", **FAST)
        Tables(service.artifacts).remove("houses")  # as who saw no job, just before it was posted
        put(service, "houses", houses(200, seed=1))
        service.stop()
        service.options = ()
        service.start()
        job = service.wait_for(job_id)
        assert job["status"] == "failed"
        assert "the dataset houses was removed and made anew" in job["error"]
        again = service.wait_for(service.train(dataset="houses", **FAST))
        assert again["status"] == "succeeded", again


def test_all_formats_of_a_version_say_the_same_on_missing_and_unseen_values(
    service: Service, job: dict[str, Any]
) -> None:
    draw = np.random.default_rng(1)
    rows = 10_000
    columns: dict[str, Any] = {
        "rooms": np.where(draw.random(rows) < 0.1, np.nan, draw.normal(4, 3, rows)),
        "area": np.where(draw.random(rows) < 0.1, np.nan, draw.normal(70, 300, rows)),
        "city": np.array([*CITIES, "", "Paris", "Ørsta"], object)[draw.integers(0, 6, rows)],
    }
    instances = [
        {name: None if value != value or value == "" else value for name, value in row.items()}  # noqa: PLR0124
        for row in (
            dict(zip(columns, values, strict=True))
            for values in zip(*(column.tolist() for column in columns.values()), strict=True)
        )
    ]
    for result in job["results"]:
        network, version = result["model"], result["version"]
        over_http = service.predict(*instances, dataset="houses", model=network)["predictions"]
        folder = service.artifacts / "houses" / network / str(version)
        of_file = np.array(saved_model(folder, instances))
        np.testing.assert_allclose(over_http, of_file, rtol=1e-4, atol=1e-3)


def saved_model(folder: Path, instances: list[dict[str, Any]]) -> list[float]:
    """What TensorFlow alone makes of a version: a process that knows nothing of this project."""
    program = """
import json, sys
import tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
rows = json.load(sys.stdin)
nan = float("nan")
numbers = {n: tf.constant([nan if r[n] is None else r[n] for r in rows], tf.float64)
           for n in ("rooms", "area")}
city = tf.constant([r["city"] or "" for r in rows])
print(json.dumps(serve(**numbers, city=city)["predictions"].numpy()[:, 0].tolist()))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, folder],
        input=json.dumps(instances),
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    predictions: list[float] = json.loads(ended.stdout)
    return predictions


def test_a_comparison_says_who_was_still_learning_and_who_is_from_another_job(
    service: Service,
) -> None:
    put(service, "flats", houses(600, seed=5))
    service.wait_for(service.train(dataset="flats", **FAST | {"epochs": 2}))
    rows = service.get("/metrics", dataset="flats")["models"]
    assert rows["dense"]["still_learning"]
    assert rows["cross"]["still_learning"]
    assert "still_learning" not in rows["trees"]
    patient = FAST | {"epochs": 300, "patience": 3, "models": ["dense"], "promote": "always"}
    service.wait_for(service.train(dataset="flats", **patient))
    comparison = service.get("/metrics", dataset="flats")
    assert not comparison["models"]["dense"]["still_learning"]
    summary = comparison["verdict"]["summary"]
    assert summary.endswith("; cross is from another job, and not compared with these")
    assert "cross" not in {
        name for pair in comparison["verdict"]["pairs"] for name in pair.values()
    }


def test_by_default_a_small_table_of_products_is_learned_to_the_end(service: Service) -> None:
    x = np.random.default_rng(7).uniform(-1, 1, (3, 500))
    columns = dict(zip("abc", x, strict=True))
    put(service, "products", pa.table({**columns, "price": x[0] * x[1] + x[2]}))
    service.wait_for(service.train(dataset="products", repeats=1, baselines=[]))
    mean, dense, cross = service.get("/metrics", dataset="products")["models"].values()
    assert not dense["still_learning"]
    assert not cross["still_learning"]
    assert cross["test_rmse"] < dense["test_rmse"] < 0.5 * mean["test_rmse"]


def test_a_worse_challenger_is_refused_on_validation_rows(
    service: Service, job: dict[str, Any]
) -> None:
    put(service, "houses", houses(1200))  # the next revision
    worse = service.wait_for(
        service.train(dataset="houses", models=["cross"], **FAST | {"epochs": 1, "repeats": 1})
    )
    (result,) = worse["results"]
    assert worse["config"]["dataset"]["revision"] == 2
    assert "validation RMSE" in result["refused"]
    assert "is larger than" in result["refused"]
    assert "of version 1 on the same rows (difference " in result["refused"]
    assert service.get("/models/houses/cross")["serving"] == 1


def test_a_binary_target_is_answered_with_probabilities(service: Service) -> None:
    table = houses(600)
    dear = pa.array(["dear" if price > 40 else "cheap" for price in table["price"].to_pylist()])
    described = put(service, "dear", table.set_column(3, "price", dear))
    assert (described["task"], described["classes"]) == ("binary", ["cheap", "dear"])
    job = service.wait_for(service.train(dataset="dear", **FAST, repeats=1))
    assert job["status"] == "succeeded", job
    rows = service.get("/metrics", dataset="dear")["models"]
    for name in ("dense", "cross"):
        assert rows[name]["test_log_loss"] < rows["mean"]["test_log_loss"]
        assert rows[name]["test_auc"] > 0.8
    small, large = service.predict(
        {"rooms": 1, "area": 40, "city": "Oslo"},
        {"rooms": 8, "area": 90, "city": "Bern"},
        dataset="dear",
    )["predictions"]
    assert 0 <= small < 0.5 < large <= 1


def test_numbers_alone_can_be_solved_by_least_squares(service: Service) -> None:
    exact = {"optimizer": {"name": "levenberg_marquardt"}, "models": ["cross"], "repeats": 1}
    put(service, "exact", houses(600), exclude="city")
    job = service.wait_for(service.train(dataset="exact", **exact))
    assert job["status"] == "succeeded", job
    put(service, "text", houses(100))
    response = service.client.post("/train", json={"dataset": "text", **exact})
    assert response.status_code == 422
    assert "'city'" in response.json()["detail"]


def test_values_of_a_number_that_is_mostly_0_are_told_apart_however_near_they_are(
    service: Service,
) -> None:
    draw = np.random.default_rng(4)
    effects = {0.0: 0.0, 7.0: 50.0, 7.001: -50.0, 7.002: 50.0, 900.0: -50.0}
    gains = draw.choice([*effects], 1500, p=[0.6, 0.1, 0.1, 0.1, 0.1])
    size = draw.normal(0, 1, 1500)
    price = [effects[gain] for gain in gains] + size
    put(service, "gains", pa.table({"gain": gains, "size": size, "price": price}))
    waves = {"frequencies": 4, "width": 3}
    errors = {}
    for values in (255, 0):
        asked = {
            "numeric_embedding": {**waves, "values": values},
            "models": ["dense"],
            "repeats": 1,
        }
        job = service.wait_for(service.train(dataset="gains", **FAST, **asked))
        assert job["status"] == "succeeded", job
        rows = service.get("/metrics", job_id=job["id"])["models"]
        errors[values] = rows["dense"]["test_rmse"] / rows["mean"]["test_rmse"]
    assert errors[255] < 0.3
    assert errors[0] > 0.6
    instances = [{"gain": gain, "size": 0.0} for gain in (7.001, 7.002, 7.0015, None)]
    near, beside, *others = service.predict(*instances, dataset="gains")["predictions"]
    assert (near, beside) == pytest.approx((-50, 50), abs=15)
    assert np.isfinite(others).all()


def test_a_table_that_cannot_be_split_fails_its_job_in_words(service: Service) -> None:
    put(service, "tiny", houses(3))
    job = service.wait_for(service.train(dataset="tiny"))
    assert job["status"] == "failed"
    assert "more rows or other fractions help" in job["error"]


def test_rows_may_be_split_by_the_order_of_a_column(service: Service) -> None:
    table = houses(400)
    put(service, "ordered", table.append_column("day", pa.array(range(400))), exclude="day")
    dataset = {"kind": "table", "name": "ordered", "split_by": "day"}
    job = service.wait_for(service.train(dataset=dataset, models=["cross"], **FAST, repeats=1))
    assert job["status"] == "succeeded", job


@pytest.mark.slow
def test_a_table_beyond_the_memory_bound_trains_from_disk(tmp_path: Path) -> None:
    bound = 40_000  # a row takes some 50 bytes
    with running(tmp_path, table_memory_bytes=str(bound)) as small:
        put(small, "houses", houses(5000))
        job_id = small.train(
            dataset="houses", models=["dense"], **FAST | {"epochs": 5, "repeats": 1}
        )
        job = small.wait_for(job_id)
        assert job["status"] == "succeeded", job
        rows = small.get("/metrics", dataset="houses")["models"]
        assert rows["dense"]["test_rmse"] < rows["mean"]["test_rmse"]
