"""Small stand-ins for the versions that a service has, and what they predict."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx

from models.config import ModelName
from models.schema import Column, TableSchema
from service.registry.manifest import EXTRA, ONNX, seal
from service.registry.versions import Registry
from tests.models.chain import Layer, graph
from tests.predict.tables import HOUSES, publish
from tests.registry.versions import JOB, metadata

CLICKS = TableSchema(
    features=(Column(name="age", type="number"), Column(name="page", type="text")),
    target="clicked",
    task="binary",
    classes=("no", 'ye"s'),
)

ROW = {"rooms": 3, "new": True, "city": "Oslo", "zip": 7}


def publish_triples(
    artifacts: Path,
    network: ModelName = "cross",
    version: int = 1,
    *,
    eval_rmse: float = 0.1,
    precision: str = "float64",
    job_id: str = JOB,
) -> Registry:
    """Puts a random network of triples where a job would publish it."""
    draw = np.random.default_rng(version)
    cross = Layer(draw.normal(size=(3, 3)).astype(precision), np.zeros(3, precision), "cross")
    linear = Layer(draw.normal(size=(3, 1)).astype(precision), np.ones(1, precision), "linear")
    registry = Registry(artifacts)
    folder = registry.folder(network, version)
    (folder / EXTRA).mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    onnx.save(graph([cross, linear]), folder / ONNX)
    about = metadata(network, job_id)
    scores = about.scores | {"eval_rmse": eval_rmse}
    created_at = datetime(2026, 1, version, tzinfo=UTC)
    seal(folder, about.model_copy(update={"scores": scores, "created_at": created_at}))
    return registry


def publish_all(artifacts: Path) -> None:
    """Two networks of triples, of which `cross` answers by default, and two tables."""
    publish_triples(artifacts, "cross", eval_rmse=0.1)
    publish_triples(artifacts, "dense", eval_rmse=0.2, precision="float32")
    publish(artifacts, HOUSES)
    publish(artifacts, CLICKS, "clicks", scores={"validation_log_loss": 0.5})


def triples(rows: int, seed: int = 0) -> list[list[float]]:
    """Random triples."""
    found: list[list[float]] = np.random.default_rng(seed).random((rows, 3)).tolist()
    return found


def transposed(rows: Sequence[Sequence[float]], names: Sequence[str]) -> dict[str, list[float]]:
    """The same by column."""
    return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
