"""What a scrape holds, without a server around it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from service.api.app import Crosscheck, create_app
from service.settings import Settings
from service.telemetry.routes import OTHER
from tests.predict.tables import publish
from tests.telemetry.texts import Series, samples, series

pytestmark = pytest.mark.anyio

NOBODY = "postgresql://127.0.0.1:9/jobs"


def made(folder: Path, **settings: str | int) -> Crosscheck:
    app = create_app(Settings(artifacts_dir=folder, **settings))  # type: ignore[arg-type]
    app.state.registry.prepare()
    return app


@asynccontextmanager
async def client_of(app: Crosscheck) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def scraped(client: httpx.AsyncClient) -> dict[Series, float]:
    return samples((await client.get("/monitoring/prometheus/metrics")).text)


async def test_without_the_database_jobs_are_left_out_and_nothing_else(tmp_path: Path) -> None:
    async with client_of(made(tmp_path, database_url=NOBODY)) as client:
        found = await scraped(client)
    names = {name for name, _ in found}
    assert not names & {"crosscheck_jobs", "crosscheck_queue_limit"}
    assert found[series("crosscheck_ready", subject="jobs")] == 0
    assert "crosscheck_jobs_ended_total" in names  # what is counted stays


async def test_with_a_thousand_datasets_there_are_no_more_series_than_allowed(
    tmp_path: Path,
) -> None:
    publish(tmp_path)
    app = made(tmp_path, max_metrics_datasets=2)
    for number in range(1000):
        app.state.counting.noted.append(
            ("POST", "/predict", 200, 0.1, None, (f"d{number}", "a", "1"), 1)
        )
    async with client_of(app) as client:
        found = await scraped(client)
    rows = {dict(labels)["dataset"]: n for (name, labels), n in found.items() if "rows" in name}
    assert rows == {"d0": 1, "d1": 1, OTHER: 998}


async def test_it_says_what_serves_and_what_is_damaged(tmp_path: Path) -> None:
    publish(tmp_path, scores={"validation_rmse": 1.0, "test_rmse": 2.5})
    app = made(tmp_path)
    async with client_of(app) as client:
        body = {"dataset": "houses", "instances": [{"rooms": 3}]}
        assert (await client.post("/predict", json=body)).status_code == 200
        (tmp_path / "houses" / "dense" / "1" / "saved_model.pb").write_bytes(b"gra")
        publish(tmp_path, version=2, scores={"validation_rmse": 1.0, "test_rmse": 1.5})
        found = await scraped(client)
    of = {"dataset": "houses", "network": "dense"}
    assert found[series("crosscheck_serving_version", **of)] == 2
    assert found[series("crosscheck_eval_error", **of)] == 1.5
    assert found[series("crosscheck_damaged_versions")] == 1
    assert found[series("crosscheck_predicted_rows_total", version="1", **of)] == 1
