"""`POST /predict` for several datasets, without a server around it."""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pyarrow
import pytest

from models.config import ModelName
from service.api.app import Crosscheck, create_app
from service.predict import following, predictor, serving
from service.predict.loaded import Loaded, load
from service.registry.versions import Registry
from service.settings import Settings
from tests.predict.formats.bodies import stream
from tests.predict.tables import NUMBERS, expected, publish
from tests.registry.versions import OTHER_JOB

pytestmark = pytest.mark.anyio

ROW = {"rooms": 3, "new": True, "city": "Oslo", "zip": 7}


@pytest.fixture
def app(tmp_path: Path) -> Crosscheck:
    made = create_app(Settings(artifacts_dir=tmp_path))
    made.state.registry.prepare()
    return made


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ModelName, int]]:
    """Which versions have been loaded."""
    found = []

    def count(registry: Registry, model: ModelName, version: int) -> Loaded:
        found.append((registry.dataset, model, version))
        return load(registry, model, version)

    for module in (following, serving):
        monkeypatch.setattr(module, "load", count)
    return found


@asynccontextmanager
async def client_of(app: Crosscheck) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def ask(app: Crosscheck, *instances: Any, **choice: Any) -> httpx.Response:
    async with client_of(app) as client:
        return await client.post("/predict", json={"instances": instances, **choice})


async def answer_of_version(number: int, app: Crosscheck) -> dict[str, Any]:
    """Asks until this version answers."""
    async with asyncio.timeout(20):
        while True:
            answer: dict[str, Any] = (await ask(app, ROW, dataset="houses")).json()
            if answer["version"] == number:
                return answer


async def test_a_row_is_predicted_by_the_columns_of_its_dataset(
    app: Crosscheck, tmp_path: Path
) -> None:
    publish(tmp_path)
    publish(tmp_path, NUMBERS, "numbers")
    answer = await ask(app, ROW, {}, [None, None, "Rome", None], dataset="houses")
    assert answer.json() == {
        "predictions": [
            expected([3, 1, "Oslo", "7"]),
            expected([None] * 4),
            expected([None, None, "Rome", None]),
        ],
        "model": "dense",
        "version": 1,
    }
    answer = await ask(app, {"a": 1}, [2, 3], dataset="numbers")
    assert answer.json()["predictions"] == [expected([1, None]), expected([2, 3])]


async def test_a_dataset_that_there_is_not_is_not_found_by_the_name_of_the_nearest(
    app: Crosscheck, tmp_path: Path
) -> None:
    publish(tmp_path)
    answer = await ask(app, ROW, dataset="huoses")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "there is no dataset huoses: did you mean houses?"


async def test_a_dataset_of_which_nothing_serves_yet_says_how_to_get_there(
    app: Crosscheck, tmp_path: Path
) -> None:
    (tmp_path / ".datasets" / "houses" / "1").mkdir(parents=True)
    answer = await ask(app, ROW, dataset="houses")
    assert answer.status_code == 409
    assert 'POST /train {"dataset": "houses"}' in answer.json()["detail"]
    publish(tmp_path)
    assert (await ask(app, ROW, dataset="houses")).status_code == 200
    answer = await ask(app, ROW, dataset="houses", model="cross")
    assert answer.status_code == 409
    assert "the model cross has no serving version of the dataset houses" in answer.json()["detail"]


async def test_who_asks_first_at_the_same_time_waits_for_one_load(
    app: Crosscheck, tmp_path: Path, loads: list[Any]
) -> None:
    publish(tmp_path)
    answers = await asyncio.gather(*(ask(app, ROW, dataset="houses") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert loads == [("houses", "dense", 1)]


async def test_the_datasets_that_were_asked_for_last_stay_loaded(
    app: Crosscheck, tmp_path: Path, loads: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "KEPT_DATASETS", 2)
    for name in ("a", "b", "c"):
        publish(tmp_path, dataset=name)
    for name in ("a", "b", "a", "c", "a", "c", "b"):
        assert (await ask(app, ROW, dataset=name)).status_code == 200
    assert [dataset for dataset, _, _ in loads] == ["a", "b", "c", "b"]


async def test_who_asks_for_what_there_is_not_takes_no_place(
    app: Crosscheck, tmp_path: Path, loads: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "KEPT_DATASETS", 1)
    publish(tmp_path)
    (tmp_path / ".datasets" / "flats" / "1").mkdir(parents=True)
    for name in ("houses", "flats", "nothing", "houses"):
        await ask(app, ROW, dataset=name)
    assert loads == [("houses", "dense", 1)]


async def test_a_version_that_does_not_serve_is_loaded_once_and_not_kept_beyond_a_change(
    app: Crosscheck, tmp_path: Path, loads: list[Any]
) -> None:
    publish(tmp_path)
    publish(tmp_path, version=2, bias=1, job_id=OTHER_JOB)
    asked = {"dataset": "houses", "model": "dense", "version": 1}
    for _ in range(2):
        assert (await ask(app, ROW, **asked)).json()["version"] == 1
    assert loads == [("houses", "dense", 2), ("houses", "dense", 1)]
    shutil.rmtree(tmp_path / "houses" / "dense" / "1")
    await app.predictor.following.of("houses")
    assert (await ask(app, ROW, **asked)).status_code == 404


async def test_what_is_loaded_is_followed(app: Crosscheck, tmp_path: Path) -> None:
    publish(tmp_path)
    before = (await ask(app, ROW, dataset="houses")).json()
    publish(tmp_path, version=2, bias=1, job_id=OTHER_JOB)
    task = asyncio.create_task(app.predictor.following.keep_fresh())
    now = await answer_of_version(2, app)
    task.cancel()
    assert now["predictions"] == [before["predictions"][0] + 1]


async def test_one_dataset_that_cannot_be_read_does_not_keep_others_from_being_followed(
    app: Crosscheck, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("broken", "houses"):
        publish(tmp_path, dataset=name)
        await ask(app, ROW, dataset=name)
    (tmp_path / "broken" / "dense" / "serving.json").symlink_to("serving.json")  # a loop
    publish(tmp_path, version=2, job_id=OTHER_JOB)
    task = asyncio.create_task(app.predictor.following.keep_fresh())
    await answer_of_version(2, app)
    task.cancel()
    assert (await ask(app, ROW, dataset="broken")).status_code == 200
    assert caplog.text.count("could not read the versions of broken") == 1


async def test_a_wide_table_takes_fewer_rows_at_once(
    app: Crosscheck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "MOST_VALUES", 12)
    publish(tmp_path)
    assert (await ask(app, *[{}] * 3, dataset="houses")).status_code == 200
    answer = await ask(app, *[{}] * 4, dataset="houses")
    assert answer.status_code == 413
    assert answer.json()["detail"] == "instances: more than 3 rows in one request"


@pytest.mark.parametrize("rows", [1, 10])
@pytest.mark.parametrize("media_type", ["application/json", "text/csv", "arrow"])
async def test_many_values_of_a_short_body_need_a_place_as_a_large_body_does(
    app: Crosscheck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, media_type: str
) -> None:
    publish(tmp_path)
    monkeypatch.setattr(predictor, "VALUES_AT_ONCE", 16)  # four rows of four
    contents = {
        "application/json": json.dumps({"instances": [{}] * rows}).encode(),
        "text/csv": b"rooms\n" + b"3\n" * rows,
        "arrow": stream(pyarrow.table({"rooms": [3] * rows})),
    }
    async with client_of(app) as client:

        async def post() -> httpx.Response:
            kind = "application/vnd.apache.arrow.stream" if media_type == "arrow" else media_type
            return await client.post(
                "/predict?dataset=houses",
                content=contents[media_type],
                headers={"Content-Type": kind},
            )

        answered = (await post()).json()
        assert len(answered["predictions"]) == rows
        with ExitStack() as taken:
            for _ in range(app.state.settings.max_large_requests):
                taken.enter_context(app.predictor._place())
            assert (await post()).status_code == (503 if rows == 10 else 200)


async def test_pyarrow_is_imported_in_a_thread_for_the_first_body_that_needs_it(
    app: Crosscheck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path)
    imported = []
    monkeypatch.setattr(predictor, "_import_pyarrow", lambda: imported.append(1))
    monkeypatch.delitem(sys.modules, "pyarrow.parquet", raising=False)
    await ask(app, ROW, dataset="houses")
    assert not imported
    async with client_of(app) as client:
        headers = {"Content-Type": "text/csv"}
        answer = await client.post(
            "/predict?dataset=houses", content=b"rooms\n3\n", headers=headers
        )
    assert answer.status_code == 200
    assert imported


async def test_a_fault_of_ours_is_a_problem_document_and_stands_in_the_access_log(
    app: Crosscheck, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(app.predictor, "_respond", fail)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.post("/predict", json={"instances": [[1, 2, 3]]})
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "secret" not in response.text
    assert "RuntimeError: secret" in caplog.text
    assert b'"status":500' in app.state.access_log.take()
