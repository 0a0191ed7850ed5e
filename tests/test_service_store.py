"""Two services that share an object store and no folder: one trains, both answer."""

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import SMALL, WITH_BASELINES, Service, running
from tests.object_store import ObjectStore

ROWS = [[0.1, 0.2, 0.3], [0.5, 0.25, 0.75]]

TABLE = "rooms,area,price\n" + "".join(f"{i % 7},{i * 1.5},{i % 7 * 3 + i}\n" for i in range(300))


class Fleet(NamedTuple):
    trains: Service
    other: Service
    store: ObjectStore


@pytest.fixture(scope="module")
def fleet(object_store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    url = object_store.url(str(uuid.uuid4()))
    folders = [tmp_path_factory.mktemp(name) for name in ("trains", "other")]
    with (
        running(folders[0], store_url=url) as trains,
        running(folders[1], "--no-worker", store_url=url) as other,
    ):
        job = trains.wait_for(trains.train(**WITH_BASELINES))
        assert job["status"] == "succeeded", trains.log.read_text()
        yield Fleet(trains, other, object_store)


def answer_of(service: Service, version: int) -> dict[str, Any]:
    """What a service answers, once the default is a certain version of the cross network."""

    def answer() -> dict[str, Any] | None:
        response = service.client.post("/predict", json={"instances": ROWS})
        found: dict[str, Any] = response.json()
        return found if found.get("version") == version else None

    found = service.until(answer)
    assert found is not None
    return found


def put_table(service: Service, name: str) -> None:
    headers = {"content-type": "text/csv"}
    response = service.client.put(f"/datasets/{name}?target=price", content=TABLE, headers=headers)
    assert response.status_code == 201, response.text


def test_what_one_trains_both_answer_bit_for_bit(fleet: Fleet) -> None:
    assert answer_of(fleet.other, 1) == answer_of(fleet.trains, 1)
    models = fleet.other.get("/models")
    assert [each["serving"] for each in models["models"]][:2] == [1, 1]
    assert fleet.other.get("/metrics")["models"] == fleet.trains.get("/metrics")["models"]


def test_a_promotion_on_one_is_followed_by_the_other(fleet: Fleet) -> None:
    job = fleet.trains.wait_for(fleet.trains.train(**SMALL, promote="always", models=["cross"]))
    (made,) = (each["version"] for each in job["results"])
    answer_of(fleet.other, made)
    path = "/models/triples/cross"
    assert fleet.other.client.put(f"{path}/serving", json={"version": 1}).status_code == 200
    assert fleet.other.get(path)["serving"] == 1  # at once, where it was asked for
    answer_of(fleet.trains, 1)
    changes = fleet.trains.get(f"{path}/history")["changes"]
    assert [(each["previous"], each["version"]) for each in changes[:2]] == [(made, 1), (1, made)]
    assert fleet.other.predict(*ROWS, model="cross", version=made)["version"] == made


def test_a_table_put_on_one_is_described_trained_and_removed_by_all(fleet: Fleet) -> None:
    trains, other, _ = fleet
    put_table(other, "houses")
    trains.until(lambda: trains.client.get("/datasets/houses").status_code == 200)
    assert trains.get("/datasets/houses") == other.get("/datasets/houses")
    assert trains.get("/datasets/houses/rows") == other.get("/datasets/houses/rows")
    job = trains.wait_for(trains.train(dataset="houses", epochs=3, models=["dense"]))
    assert job["status"] == "succeeded", job
    row = {"rooms": 3, "area": 4}
    other.until(lambda: other.get("/models", dataset="houses")["models"][0]["serving"])
    answers = [each.predict(row, dataset="houses") for each in (trains, other)]
    assert answers[0] == answers[1]
    named = [each["dataset"] for each in other.get("/serving")["datasets"]]
    assert named == ["houses", "triples"]
    assert trains.client.delete("/datasets/houses").status_code == 204
    other.until(lambda: other.client.get("/datasets/houses").status_code == 404)
    other.until(lambda: not (other.artifacts / "houses").exists())


def test_a_damaged_copy_is_mended_before_it_answers(fleet: Fleet) -> None:
    expected = answer_of(fleet.other, 1)
    onnx = fleet.other.artifacts / "triples/cross/1/assets.extra/model.onnx"
    whole = onnx.read_bytes()
    fleet.other.stop()
    onnx.write_bytes(b"torn")
    fleet.other.start()
    assert answer_of(fleet.other, 1) == expected
    assert onnx.read_bytes() == whole


def test_a_job_is_cancelled_through_the_store(fleet: Fleet) -> None:
    trains = fleet.trains
    job_id = trains.train(dataset={"size": 100_000}, epochs=10_000)
    trains.wait_for_progress(job_id)
    assert trains.client.post(f"/jobs/{job_id}/cancel").json()["status"] == "cancelled"
    assert trains.client.get("/metrics", params={"job_id": job_id}).status_code == 404


def test_predictions_go_on_while_the_store_is_away(fleet: Fleet) -> None:
    """It hangs, which is worse than if it were gone."""
    expected = answer_of(fleet.other, 1)
    os.kill(fleet.store.process.pid, signal.SIGSTOP)
    try:
        ready = fleet.other.until(lambda: _missing(fleet.other))
        assert ready is not None
        assert ready["ready"], ready
        assert fleet.other.predict(*ROWS) == expected
        serving = "/models/triples/cross/serving"
        refused = fleet.other.client.put(serving, json={"version": 1})
        assert refused.status_code == 503, refused.text
        assert refused.headers["Retry-After"]
        assert refused.json()["error"] == "the object store does not answer"
        fleet.other.stop()
        fleet.other.start()  # from what it has
        assert answer_of(fleet.other, 1) == expected
    finally:
        os.kill(fleet.store.process.pid, signal.SIGCONT)
    fleet.other.until(lambda: not _missing(fleet.other))


def _missing(service: Service) -> dict[str, Any] | None:
    """What `/readyz` says, if that is that the store does not answer."""
    found: dict[str, Any] = service.client.get("/readyz").json()
    missing = found["training"]["missing"]
    return found if "the object store does not answer" in missing else None


def test_the_cache_is_a_base_path_of_tensorflow_serving(fleet: Fleet) -> None:
    folder: Path = fleet.other.artifacts / "triples" / "cross"
    answer_of(fleet.other, 1)
    assert (folder / "1" / "saved_model.pb").exists()
    assert all(each.name.isdecimal() for each in folder.iterdir())
