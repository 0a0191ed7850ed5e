"""`GET /datasets/{name}/recipe`: how a dataset is trained where a request leaves it open."""

from fastapi import APIRouter

from models.config import Preset, TrainConfig
from models.schema import TRIPLES, DatasetName
from service.api.dependencies import TheTables
from service.errors import Invalid

router = APIRouter(tags=["datasets"])


@router.get("/datasets/{name}/recipe")
def get_recipe(tables: TheTables, name: DatasetName, preset: Preset | None = None) -> TrainConfig:
    """The whole of what `POST /train` makes of a body that names the dataset, and a preset."""
    tables.require(name)
    if preset == "seed" and name != TRIPLES:
        raise Invalid("preset: seed is for the dataset triples")
    return TrainConfig.model_validate({"dataset": name, "preset": preset})
