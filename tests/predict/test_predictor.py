from pathlib import Path

import httpx
import pytest

from service.api.app import create_app
from service.settings import Settings

pytestmark = pytest.mark.anyio


async def test_a_fault_of_ours_is_a_problem_document_and_stands_in_the_access_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(Settings(artifacts_dir=tmp_path))

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
