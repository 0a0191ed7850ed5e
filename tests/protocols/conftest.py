"""An application without a server around it, and who asks it."""

from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.app import Crosscheck, create_app
from service.settings import Settings
from tests.protocols.stand_ins import publish_all

Ask = Callable[..., Coroutine[Any, Any, httpx.Response]]


@pytest.fixture
def app(tmp_path: Path) -> Crosscheck:
    publish_all(tmp_path)
    made = create_app(Settings(artifacts_dir=tmp_path))
    made.state.registry.prepare()
    return made


@pytest.fixture
async def client(app: Crosscheck, anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as made:
        yield made


@pytest.fixture
async def predict(client: httpx.AsyncClient) -> Callable[..., Coroutine[Any, Any, list[float]]]:
    """What `POST /predict` says of rows."""

    async def ask(*rows: Any, **choice: Any) -> list[float]:
        answer = await client.post("/predict", json={"instances": rows, **choice})
        assert answer.status_code == 200, answer.text
        predictions: list[float] = answer.json()["predictions"]
        return predictions

    return ask
