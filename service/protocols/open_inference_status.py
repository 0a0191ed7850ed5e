"""The Open Inference Protocol, version 2: health, metadata, the repository's index."""

from asyncio import to_thread
from collections.abc import Callable
from importlib.metadata import version as version_of_package
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from models.config import MODEL_NAMES
from models.schema import TRIPLES
from service.errors import Conflict, NotFound
from service.predict.loaded import Loaded
from service.protocols import names, served
from service.protocols.documented import request_body
from service.protocols.names import Name
from service.protocols.open_inference_shapes import (
    IndexEntry,
    Inferred,
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
    TensorMetadata,
)
from service.protocols.paths import Model, Version
from service.protocols.served import Tensor
from service.protocols.tensors import DATATYPES
from service.registry.versions import Registry
from service.tables.store import Tables

health = APIRouter(tags=["Open Inference Protocol"], prefix="/v2/health")
"""Which asks for no key."""

router = APIRouter(tags=["Open Inference Protocol"])


@health.get("/live")
async def live() -> ServerLive:
    """Answers as long as the process does."""
    return ServerLive()


@health.get("/ready", responses={503: {"model": ServerReady}})
async def ready(request: Request, response: Response) -> ServerReady:
    """Whether the service can predict; 503 if not."""
    found = await served.is_ready(request.app.state)
    response.status_code = 200 if found else 503
    return ServerReady(ready=found)


@router.get("/v2/", include_in_schema=False)
@router.get("/v2")
async def get_server() -> ServerMetadata:
    """What answers."""
    return ServerMetadata(version=version_of_package("crosscheck"))


@router.post("/v2/repository/index", response_model_exclude_none=True)
async def get_index(request: Request) -> list[IndexEntry]:
    """The models that serve. All of them are ready, so that the body does not matter."""
    state = request.app.state
    return await to_thread(_index, state.registry, state.tables)


def _index(registry: Registry, tables: Tables) -> list[IndexEntry]:
    found = []
    for dataset in (TRIPLES, *tables.names()):
        models = registry.of(dataset)
        serving = {network: models.serving(network) for network in MODEL_NAMES}
        named = [
            IndexEntry(name=str(Name(dataset, network)), version=str(number))
            for network, number in serving.items()
            if number is not None
        ]
        found += [IndexEntry(name=dataset), *named] if named else []
    return found


def _add(place: str, named: Callable[..., tuple[str, str | None]]) -> None:
    """Adds what is below a path that names a model, or one of its versions."""
    below, its_name = f"/v2/models/{{model:part}}{place}", Depends(named)

    @router.get(below)
    async def get_model(
        request: Request, named: tuple[str, str | None] = its_name
    ) -> ModelMetadata:
        """What a model takes and says, and its versions that can be asked."""
        loaded = await _find(request, *named)
        numbers = await served.versions(request.app.state, names.read(named[0]).dataset, loaded)
        return ModelMetadata(
            name=named[0],
            versions=[str(number) for number in numbers],
            inputs=[_described(each) for each in served.inputs(loaded)],
            outputs=[_described(served.output(loaded))],
        )

    @router.get(f"{below}/ready")
    async def get_ready(request: Request, named: tuple[str, str | None] = its_name) -> ModelReady:
        """That a model can be asked."""
        await _find(request, *named)
        return ModelReady(name=named[0])

    @router.post(f"{below}/infer", openapi_extra=BODY, responses=BINARY)
    async def infer(named: tuple[str, str | None] = its_name) -> Inferred:
        """Predicts rows. The content type does not matter.

        Triples are one tensor `features`, `(rows, 3)`; rows of a table have a tensor for each
        column, `(rows,)` or `(rows, 1)`. What is missing is NaN, null or an empty text. Tensors
        may be raw bytes behind the JSON, whose length is in `Inference-Header-Content-Length`.
        """
        raise NotFound("there is no such path")  # before this, the predictor has answered


async def _find(request: Request, model: str, version: str | None) -> Loaded:
    try:
        question = names.read(model).ask(names.version_of(version))
        return await served.find(request.app.state, question)
    except Conflict as refusal:
        raise NotFound(refusal.detail) from None


def _described(tensor: Tensor) -> TensorMetadata:
    return TensorMetadata(name=tensor.name, datatype=DATATYPES[tensor.type], shape=[*tensor.shape])


def _serving(model: Model) -> tuple[str, str | None]:
    return model, None


def _numbered(model: Model, version: Version) -> tuple[str, str | None]:
    return model, version


TRIPLE = {"name": "features", "shape": [1, 3], "datatype": "FP64", "data": [0.5, 0.5, 0.5]}
OCTETS = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
BODY = request_body({"a triple": {"inputs": [TRIPLE]}}, **OCTETS)
BINARY: dict[int | str, dict[str, Any]] = {200: {"content": OCTETS}}

_add("", _serving)
_add("/versions/{version:part}", _numbered)
