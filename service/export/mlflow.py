"""For MLflow: a model with the flavours `onnx` and `python_function`, without a pickle."""

import json
import platform
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any
from uuid import uuid4

from models.schema import Type
from service.export import mlflow_loader
from service.export.chosen import Chosen

LOADER = "crosscheck_model"
"""The name under which MLflow imports the code that goes along."""

DATA = "model.onnx"

TYPES: Mapping[Type, str] = {
    "text": "string",
    # MLflow would take no whole numbers for doubles, and neither 0 nor nothing for booleans.
    "number": "any",
    "boolean": "any",
    "code": "any",
}


def write(version: Chosen, folder: Path) -> None:
    """Writes `MLmodel`, the ONNX file, the code that runs it, and what that code needs."""
    (folder / "code").mkdir(parents=True)
    shutil.copyfile(version.onnx, folder / DATA)
    shutil.copyfile(mlflow_loader.__file__, folder / "code" / f"{LOADER}.py")
    # JSON is YAML, too.
    (folder / "MLmodel").write_text(json.dumps(_about(version), indent=1) + "\n", "utf-8")
    needs = [f"onnxruntime>={version_of('onnxruntime')}", "mlflow", "numpy", "pandas"]
    (folder / "requirements.txt").write_text("\n".join([*needs, ""]))
    environment = {
        "python": platform.python_version(),
        "build_dependencies": ["pip"],
        "dependencies": ["-r requirements.txt"],
    }
    (folder / "python_env.yaml").write_text(json.dumps(environment, indent=1) + "\n")


def _about(version: Chosen) -> dict[str, Any]:
    intake = version.intake
    inputs = [
        {
            "name": feature.name,
            "type": TYPES[feature.type],
            "required": intake.are_triples,  # of a table any may be missing
        }
        for feature in intake.features
    ]
    outputs = [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]
    python = platform.python_version()
    return {
        "flavors": {
            "onnx": {"data": DATA, "providers": ["CPUExecutionProvider"]},
            "python_function": {
                "loader_module": LOADER,
                "code": "code",
                "data": DATA,
                "python_version": python,
                "env": {"virtualenv": "python_env.yaml"},
            },
        },
        "metadata": {
            "dataset": version.dataset,
            "network": version.network,
            "version": version.version,
        },
        "model_uuid": uuid4().hex,
        "signature": {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs)},
        "utc_time_created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
    }
