"""`POST /predict`, against a running service."""

import io
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import pyarrow
import pyarrow.csv
import pytest
from pyarrow import parquet

from tests.conftest import SMALL, Service, running
from tests.predict import tables
from tests.predict.formats import bodies

JSON = {"Content-Type": "application/json"}


def test_the_better_model_answers_unless_another_is_named(
    service: Service, trained: dict[str, Any]
) -> None:
    rows = service.get("/metrics")["models"]
    best = min(("dense", "cross"), key=lambda name: rows[name]["eval_rmse"])
    service.until(lambda: service.predict([0.5, 0.5, 0.5])["version"] == rows[best]["version"])
    assert service.predict([0.5, 0.5, 0.5])["model"] == best
    for name in ("dense", "cross"):
        assert service.predict([0.5, 0.5, 0.5], model=name)["model"] == name


def test_the_predictions_are_in_the_order_of_the_instances(
    service: Service, trained: dict[str, Any]
) -> None:
    triples: list[list[float]] = [[0.1, 0.2, 0.3], [0.9, 0.8, 0.7], [0, 0, 1], [1, 0, 0]]
    together = service.predict(*triples)["predictions"]
    assert together == [service.predict(triple)["predictions"][0] for triple in triples]


def test_an_old_version_can_be_asked(service: Service, trained: dict[str, Any]) -> None:
    version = trained["results"][1]["version"]
    answer = service.predict([0.5, 0.5, 0.5], model="cross", version=version)
    assert answer["version"] == version


def test_without_a_trained_model_it_says_how_to_get_one(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker") as service:
        response = service.client.post("/predict", json={"instances": [[0, 0, 0]]})
        assert response.status_code == 409
        assert "POST /train" in response.json()["detail"]


BAD_BODIES: list[tuple[bytes, int, str]] = [
    (b"", 400, "JSON"),
    (b"{", 400, "JSON"),
    (b"\xff\xfe", 400, "JSON"),
    (b'{"instances": [[NaN, 1, 1]]}', 400, "JSON"),
    (b'{"instances": [[Infinity, 1, 1]]}', 400, "JSON"),
    (b'{"instances": [[1, 2, 3]]} x', 400, "JSON"),
    (b'{"instances": [["\xff", 1, 1]]}', 400, "JSON"),
    (b"[" * 100_000, 422, "the body"),
    (b'{"instances": ' + b"[" * 100_000, 400, "JSON"),
    (b'{"x": ' + b"[" * 100_000, 422, "x"),
    (b"[]", 422, "the body"),
    (b"{}", 422, "instances"),
    (b'{"instances": []}', 422, "instances"),
    (b'{"instances": {}}', 422, "instances"),
    (b'{"instances": [[1, 2, 3], 4]}', 422, "instances[1]"),
    (b'{"instances": [[1, 2, 3], [1, 2]]}', 422, "instances[1]"),
    (b'{"instances": [[1, 2, 3, 4]]}', 422, "instances[0]"),
    (b'{"instances": [[1, "2", 3]]}', 422, "instances[0][1]"),
    (b'{"instances": [[1, 2, true]]}', 422, "instances[0][2]"),
    (b'{"instances": [[1, 2, null]]}', 422, "instances[0][2]"),
    (b'{"instances": [[1, 2, 1e999]]}', 422, "instances[0][2]"),
    (b'{"instances": [[1, 2, 3], [1e300, 1, 1]]}', 422, "instances[1]"),
    (b'{"instances": [[1, 2, 3]], "model": "linear"}', 422, "model"),
    (b'{"instances": [[1, 2, 3]], "version": 1}', 422, "version"),
    (b'{"instances": [[1, 2, 3]], "model": "cross", "version": "1"}', 422, "version"),
    (b'{"instances": [[1, 2, 3]], "model": "cross", "version": 0}', 422, "version"),
    (b'{"instances": [[1, 2, 3]], "model": "cross", "version": 999}', 404, "999"),
    (b'{"instances": [[1, 2, 3]], "rows": 1}', 422, "rows"),
    (json.dumps({"instances": [[1, 2, 3]] * 100_001}).encode(), 413, "100000 rows"),
    (b'{"instances": [[' + b" " * 17_000_000 + b"1, 2, 3]]}", 413, "bytes"),
]


@pytest.mark.parametrize(
    ("body", "status", "named"), BAD_BODIES, ids=[str(body[:40]) for body, _, _ in BAD_BODIES]
)
def test_a_bad_body_is_refused_by_the_name_of_its_element(
    service: Service, trained: Any, body: bytes, status: int, named: str
) -> None:
    response = service.client.post("/predict", content=body, headers=JSON)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert named in response.json()["detail"]
    assert len(response.content) < 1000


@pytest.mark.parametrize("content_type", ["text/plain", "application/jsonl", ""])
def test_another_content_type_is_refused(service: Service, content_type: str) -> None:
    response = service.client.post(
        "/predict", content=b'{"instances": [[1, 2, 3]]}', headers={"Content-Type": content_type}
    )
    assert response.status_code == 415


def test_the_answer_names_its_model_and_the_request(service: Service, trained: Any) -> None:
    response = service.client.post(
        "/predict",
        json={"instances": [[0, 0, 0]], "model": "dense"},
        headers={"X-Request-Id": "mine"},
    )
    assert response.headers["x-model"] == "dense"
    assert response.headers["x-model-version"] == str(response.json()["version"])
    assert response.headers["x-request-id"] == "mine"
    assert service.client.get("/livez").headers["x-request-id"]


def read_predictions(media_type: str, content: bytes) -> list[float]:
    """The predictions in an answer that is not JSON."""
    match media_type:
        case "application/x-npy":
            found = np.load(io.BytesIO(content)).tolist()
        case "text/csv":
            name, *lines = content.decode().splitlines()
            assert name == "predictions"
            found = list(map(float, lines))
        case "application/vnd.apache.parquet":
            found = parquet.read_table(io.BytesIO(content))["predictions"].to_pylist()
        case _:
            found = pyarrow.ipc.open_stream(content).read_all()["predictions"].to_pylist()
    return cast("list[float]", found)


def test_all_formats_give_the_same_predictions(service: Service, trained: Any) -> None:
    features = np.random.default_rng(0).random((5, 3))
    file = io.BytesIO()
    np.save(file, features)
    table = pyarrow.table({f"x{index}": features[:, index] for index in (2, 0, 1)})
    text = pyarrow.BufferOutputStream()
    pyarrow.csv.write_csv(table, text)
    expected = service.predict(*features.tolist(), model="cross")["predictions"]
    by_name = service.client.post(
        "/predict?model=cross", json={"instances": table.to_pylist(), "dataset": None}
    )
    assert by_name.json()["predictions"] == expected
    for content, media_type in (
        (file.getvalue(), "application/x-npy"),
        (bodies.stream(table), "application/vnd.apache.arrow.stream"),
        (bodies.parquet(table), "application/vnd.apache.parquet"),
        (text.getvalue().to_pybytes(), "text/csv"),
    ):
        headers = {"Content-Type": media_type}
        in_json = service.client.post("/predict?model=cross", content=content, headers=headers)
        assert in_json.json()["predictions"] == expected
        headers["Accept"] = media_type
        answer = service.client.post("/predict?model=cross", content=content, headers=headers)
        assert answer.headers["content-type"] == media_type
        assert answer.headers["x-model"] == "cross"
        assert read_predictions(media_type, answer.content) == pytest.approx(expected, rel=1e-6)


def test_rows_of_a_table_are_predicted_as_soon_as_something_serves(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker") as service:
        body = {"dataset": "houses", "instances": [{"rooms": 3, "city": "Oslo"}]}
        assert service.client.post("/predict", json=body).status_code == 404
        tables.publish(service.artifacts)
        answer = service.client.post("/predict", json=body)
        assert answer.json()["predictions"] == [tables.expected([3, None, "Oslo", None])]
        headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
        answer = service.client.post(
            "/predict?dataset=houses&model=dense",
            content=b"city,rooms\r\nOslo,3\r\n",
            headers=headers,
        )
        expected = tables.expected([3, None, "Oslo", None])
        assert answer.content == f"predictions\n{expected}\n".encode()


@pytest.fixture(scope="module")
def two_workers(
    service: Service, trained: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Two API processes over a copy of two trained versions."""
    job = service.wait_for(service.train(**SMALL, models=["cross"], seed=5))
    assert job["status"] == "succeeded"
    folder = tmp_path_factory.mktemp("two")
    (folder / "artifacts" / "triples" / "cross").mkdir(parents=True)
    for number, result in enumerate((trained["results"][1], job["results"][0]), 1):
        source = service.artifacts / "triples" / "cross" / str(result["version"])
        shutil.copytree(source, folder / "artifacts" / "triples" / "cross" / str(number))
    with running(folder, "--no-worker", "--workers", "2") as made:
        yield made


def test_versions_are_swapped_under_load_without_a_failure(two_workers: Service) -> None:
    two_workers.client.put("/models/triples/cross/serving", json={"version": 1})
    swapping = threading.Event()
    answers: list[tuple[int, int]] = []

    def predict() -> None:
        with httpx.Client(base_url=two_workers.client.base_url, timeout=30) as client:
            while not swapping.is_set():
                response = client.post("/predict", json={"instances": [[0.5, 0.5, 0.5]]})
                version = response.json().get("version") if response.status_code == 200 else 0
                answers.append((response.status_code, version))

    threads = [threading.Thread(target=predict) for _ in range(4)]
    for thread in threads:
        thread.start()
    for swap in range(50):
        number = swap % 2 + 1
        response = two_workers.client.put("/models/triples/cross/serving", json={"version": number})
        assert response.status_code == 200
    swapping.set()
    for thread in threads:
        thread.join()
    assert len(answers) > 50
    assert set(answers) <= {(200, 1), (200, 2)}


def test_every_worker_answers_with_a_promoted_version_within_two_seconds(
    two_workers: Service,
) -> None:
    for number in (1, 2, 1):
        two_workers.client.put("/models/triples/cross/serving", json={"version": number})

        def all_answer_with(expected: int = number) -> bool:
            # A connection each, so that both processes are asked.
            url = f"{two_workers.client.base_url}/predict"
            body = {"instances": [[0, 0, 0]]}
            return all(httpx.post(url, json=body).json()["version"] == expected for _ in range(10))

        two_workers.until(all_answer_with, seconds=2)


def test_large_requests_do_not_stall_small_ones(service: Service, trained: Any) -> None:
    large = json.dumps({"instances": [[0.1, 0.2, 0.3]] * 100_000}).encode()
    done = threading.Event()
    statuses: list[int] = []

    def load() -> None:
        with httpx.Client(base_url=service.client.base_url, timeout=60) as client:
            while not done.is_set():
                statuses.append(client.post("/predict", content=large, headers=JSON).status_code)

    thread = threading.Thread(target=load)
    thread.start()
    answered = 0
    while len(statuses) < 5:
        service.predict([0.5, 0.5, 0.5])
        answered += 1
    done.set()
    thread.join()
    assert set(statuses) == {200}
    # Had each of them waited for a large one, there would have been no more of them.
    assert answered > 3 * len(statuses)
