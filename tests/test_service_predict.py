"""`POST /predict`, against a running service."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Service, running

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
    (b'{"instances": [["\xff", 1, 1]]}', 422, "instances[0][0]"),
    (b"[" * 100_000, 422, "the body"),
    (b'{"instances": ' + b"[" * 100_000, 422, "instances[0][0]"),
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
