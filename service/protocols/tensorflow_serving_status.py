"""TensorFlow Serving's REST API: a model's status and metadata, and what is documented of it."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Depends, Request

from service.errors import Conflict, NotFound
from service.protocols import served
from service.protocols.documented import request_body
from service.protocols.paths import Label, Model, Version
from service.protocols.served import Tensor
from service.protocols.tensorflow_serving import SIGNATURE, Servable, Verb
from service.schemas import Schema

router = APIRouter(tags=["TensorFlow Serving"])

TYPES: dict[type, str] = {np.float32: "DT_FLOAT", np.float64: "DT_DOUBLE", np.object_: "DT_STRING"}


class NoError(Schema):
    """Of a version that can be asked."""

    error_code: Literal["OK"] = "OK"
    error_message: Literal[""] = ""


class ServableVersion(Schema):
    """A version that can be asked."""

    version: str
    state: Literal["AVAILABLE"] = "AVAILABLE"
    status: NoError = NoError()


class ServableStatus(Schema):
    """The versions of a model that can be asked, the serving one first."""

    model_version_status: list[ServableVersion]


def _serving(model: Model) -> Servable:
    return Servable(model)


def _numbered(model: Model, version: Version) -> Servable:
    return Servable(model, version)


def _labelled(model: Model, label: Label) -> Servable:
    return Servable(model, label=label)


def _add(place: str, named: Callable[..., Servable]) -> None:
    """Adds what is below a path that names a version."""
    below, its_servable = f"/v1/models/{{model:part}}{place}", Depends(named)

    @router.get(below)
    async def get_status(request: Request, servable: Servable = its_servable) -> ServableStatus:
        """The versions of a model that can be asked, the serving one first; or the one named."""
        try:
            numbers = await _versions(request, servable)
        except (NotFound, Conflict):
            what = f"Could not find any versions of model {servable.model}"
            raise NotFound(what) from None
        return ServableStatus(
            model_version_status=[ServableVersion(version=str(n)) for n in numbers]
        )

    @router.get(f"{below}/metadata")
    async def get_metadata(request: Request, servable: Servable = its_servable) -> dict[str, Any]:
        """The names, types and shapes of what a version takes and says."""
        try:
            loaded = await served.find(request.app.state, servable.ask())
        except (NotFound, Conflict) as refusal:
            raise servable.refusal(refusal) from None
        spec = {"name": servable.model, "signature_name": "", "version": str(loaded.version)}
        signature = {
            "inputs": {each.name: _described(each) for each in served.inputs(loaded)},
            "outputs": {each.name: _described(each) for each in [served.output(loaded)]},
            "method_name": "tensorflow/serving/predict",
            "defaults": {},
        }
        signatures = {"signature_def": {"signature_def": {SIGNATURE: signature}}}
        return {"model_spec": spec, "metadata": signatures}

    @router.post(f"{below}:{{verb}}", openapi_extra=BODY)
    async def predict(verb: Verb, servable: Servable = its_servable) -> ServableAnswer:
        """Predicts rows. The content type does not matter.

        `instances` are rows, and answered with `predictions`; `inputs` are columns by their names,
        and answered with `outputs`. With `regress` and `classify`, `examples` are answered with
        `results`, of a binary target with the probabilities of both classes.
        """
        raise NotFound("there is no such path")  # before this, the predictor has answered


async def _versions(request: Request, servable: Servable) -> list[int]:
    question = servable.ask()
    loaded = await served.find(request.app.state, question)
    if servable.version or servable.label:
        return [loaded.version]
    return await served.versions(request.app.state, question.dataset, loaded)


def _described(tensor: Tensor) -> dict[str, Any]:
    sizes = [{"size": str(size), "name": ""} for size in tensor.shape]
    return {
        "dtype": TYPES[tensor.type],
        "tensor_shape": {"dim": sizes, "unknown_rank": False},
        "name": f"{SIGNATURE}_{tensor.name}:0",
    }


class ServableAnswer(Schema):
    """To `instances` come `predictions`, to `inputs` `outputs`, to `examples` `results`."""

    predictions: list[list[float]] | None = None
    outputs: list[list[float]] | None = None
    results: list[float] | list[list[list[str | float]]] | None = None


BODY = request_body(
    {
        "rows": {"instances": [[0.5, 0.5, 0.5]]},
        "columns": {"inputs": {"x0": [0.5], "x1": [0.5], "x2": [0.5]}},
        "examples": {"examples": [{"x0": 0.5, "x1": 0.5, "x2": 0.5}]},
    }
)


_add("", _serving)
_add("/versions/{version:part}", _numbered)
_add("/labels/{label:part}", _labelled)
