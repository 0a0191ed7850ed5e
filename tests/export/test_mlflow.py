"""What MLflow itself makes of an exported model, in an environment of its own."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from service.export.chosen import chosen
from service.export.folder import export
from tests.conftest import Service
from tests.export.conftest import MIXED

ENVIRONMENT = Path(__file__).parents[2] / ".venv-mlflow"
REQUIREMENTS = Path(__file__).with_name("mlflow-requirements.txt")

PREDICT = """
import json, sys
import mlflow.pyfunc, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
assert model.metadata.get_input_schema() is not None
frames = json.load(sys.stdin)
print(json.dumps([[*model.predict(pandas.DataFrame(frame))] for frame in frames]))
"""


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of an environment with MLflow, made once for what the requirements say."""
    made, wanted = ENVIRONMENT / "made", f"{sys.version}\n{REQUIREMENTS.read_text()}"
    interpreter = ENVIRONMENT / "bin" / "python"
    if not made.exists() or made.read_text() != wanted:
        venv.create(ENVIRONMENT, clear=True, with_pip=True)
        pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "--requirement", str(REQUIREMENTS)], check=True)
        made.write_text(wanted)
    return interpreter


def predicted(python: Path, model: Path, *frames: dict[str, list[Any]]) -> list[list[float]]:
    ended = subprocess.run(
        [python, "-c", PREDICT, str(model)],
        input=json.dumps(frames),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
    )
    assert ended.returncode == 0, ended.stderr
    found: list[list[float]] = json.loads(ended.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_mlflow_predicts_a_table_as_the_service_does(
    of_mixed: Service, python: Path, tmp_path: Path
) -> None:
    export("mlflow", chosen(of_mixed.artifacts, MIXED), tmp_path / "model")
    frames: list[dict[str, list[Any]]] = [
        {
            "area": [41.5, 60.0, None],
            "rooms": [1, 2, 3],
            "garden": [True, False, True],
            "city": ["Oslo", "[b]Bergen", None],
            "code": [0, 1, 3],
        },
        {"city": ["Oslo"], "area": [60], "code": ["3"], "garden": [None]},
        {"rooms": [2.0, 3.0], "garden": [0, 1], "code": [1.0, 2.0]},
    ]
    for frame, found in zip(frames, predicted(python, tmp_path / "model", *frames), strict=True):
        rows = [dict(zip(frame, row, strict=True)) for row in zip(*frame.values(), strict=True)]
        answer = of_mixed.predict(*rows, dataset=MIXED)
        assert found == answer["predictions"]


@pytest.mark.slow
def test_mlflow_predicts_triples_as_the_service_does(
    service: Service, trained: dict[str, Any], python: Path, tmp_path: Path
) -> None:
    export("mlflow", chosen(service.artifacts, "triples", "cross", 1), tmp_path / "model")
    # In another order, and one of them with whole numbers alone.
    frame: dict[str, list[Any]] = {"x2": [0.5, 0.3], "x0": [0.5, 0.1], "x1": [1, 0]}
    (found,) = predicted(python, tmp_path / "model", frame)
    rows = [[0.5, 1, 0.5], [0.1, 0, 0.3]]
    wanted = service.predict(*rows, model="cross", version=1)["predictions"]
    assert found == pytest.approx(wanted, rel=1e-7)  # JSON has the digits of a float32
