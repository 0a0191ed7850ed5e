"""Small stand-ins for trained versions, for tests that train nothing."""

from datetime import UTC, datetime
from pathlib import Path

from models.config import ModelName, TrainConfig
from service.registry import promotion
from service.registry.manifest import seal
from service.registry.promotion import Judgement
from service.registry.versions import Registry
from service.schemas import Metadata

JOB = "11111111-1111-4111-8111-111111111111"
OTHER_JOB = "22222222-2222-4222-8222-222222222222"


def metadata(name: ModelName = "cross", job_id: str = JOB, refused: str | None = None) -> Metadata:
    scores = {"train_rmse": 0.1, "eval_rmse": 0.1, "train_mse": 0.01, "eval_mse": 0.01}
    return Metadata(
        model=name,
        job_id=job_id,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        config=TrainConfig(),
        dataset_fingerprint="",
        parameters=16,
        scores=scores,
        baseline=scores,
        refused=refused,
        losses=[1.0, 0.1],
        attempts=[],
        fit_seconds=1.0,
        libraries={},
    )


def fill(folder: Path, about: Metadata, graph: bytes = b"graph") -> None:
    """Makes a sealed folder that holds everything but a network."""
    (folder / "assets.extra").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(graph)
    (folder / "assets.extra" / "model.onnx").write_bytes(b"twin")
    seal(folder, about)


def as_told(challenger: Metadata, folder: Path, champion: int | None) -> Judgement:
    """Lets a version take over unless it says that it is refused."""
    return Judgement(challenger.refused is None, challenger.refused or f"better than {champion}")


def stage(registry: Registry, about: Metadata) -> None:
    attempt = registry.staging.begin(about.job_id)
    fill(attempt.folder / about.model, about)
    registry.staging.publish(about.job_id, attempt)


def publish(registry: Registry, about: Metadata) -> int:
    stage(registry, about)
    number = promotion.publish(registry, about.job_id, as_told)[about.model]
    registry.staging.remove(about.job_id)
    return number
