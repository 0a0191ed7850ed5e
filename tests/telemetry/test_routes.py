"""Templates instead of paths."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.routing import Mount

from service.api.app import create_app
from service.settings import Settings
from service.telemetry.routes import OTHER, template_at

JOB = "11111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/predict", "/predict"),
        ("/crosscheck/predict", "/predict"),
        ("/crosscheckpredict", OTHER),
        (f"/jobs/{JOB}", "/jobs/{job_id}"),
        (f"/jobs/{JOB}/events", "/jobs/{job_id}/events"),
        ("/jobs", "/jobs"),
        ("/jobs/", OTHER),
        ("/jobs/a/b/c", OTHER),
        ("/jobs/{job_id}", "/jobs/{job_id}"),
        ("/v1/models/houses.dense:predict", "/v1/models/{model}:{verb}"),
        ("/v1/models/houses/versions/7", "/v1/models/{model}/versions/{version}"),
        ("/v1/models/houses/versions/7:predict", "/v1/models/{model}/versions/{version}:{verb}"),
        ("/v2/models/cross/infer", "/v2/models/{model}/infer"),
        ("/here", "/here"),
        ("/docs/start.js", "/docs/start.js"),
        ("/predict\n", OTHER),
        ("/nowhere", OTHER),
        ("", OTHER),
    ],
)
def test_a_path_counts_as_the_route_that_answers(tmp_path: Path, path: str, template: str) -> None:
    settings = Settings(artifacts_dir=tmp_path, root_path="/crosscheck", predict_route="/here")
    assert template_at(create_app(settings), settings.root_path)(path) == template


def test_what_is_mounted_is_one_route() -> None:
    app = FastAPI()
    find = template_at(app)
    app.routes.append(Mount("/page", app=FastAPI()))
    assert find("/page/a.css") == find("/page/b/c.css") == "/page/{path}"
