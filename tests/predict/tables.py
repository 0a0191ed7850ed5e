"""A table and small stand-ins for the versions that are trained on it."""

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.config import ModelName, TrainConfig
from models.schema import Column, TableSchema, Type
from service.registry import promotion
from service.registry.manifest import HELD_OUT, ONNX, seal
from service.registry.versions import Registry
from service.store.places import Places
from service.tables.store import FOLDER
from tests.registry.versions import JOB, as_told, fill, metadata

TYPES: dict[str, Type] = {"rooms": "number", "new": "boolean", "city": "text", "zip": "code"}

HOUSES = TableSchema(
    features=tuple(Column(name=name, type=kind) for name, kind in TYPES.items()),
    target="price",
    task="regression",
    others=("sold",),
)

NUMBERS = TableSchema(
    features=tuple(Column(name=name, type="number") for name in ("a", "b")),
    target="c",
    task="regression",
)

WORDS = ("Oslo", "Bergen", "7", "4021")

MISSING, UNSEEN, FIRST_WORD = 0.0, 1.0, 2.0


def encoded(value: Any) -> float:
    """What the graph below makes of a value: its number, a word's place; 1/4 if it is missing."""
    if value is None:
        return 0.25
    if isinstance(value, str):
        return FIRST_WORD + WORDS.index(value) if value in WORDS else UNSEEN
    return float(value)


def expected(row: Sequence[Any], bias: float = 0.0) -> float:
    """The prediction of the graph below: the n-th of the features counts 10 to the power of n."""
    return bias + sum(encoded(value) * 10.0**place for place, value in enumerate(row))


def graph(schema: TableSchema, bias: float = 0.0) -> onnx.ModelProto:
    """A graph with an input for each feature, by its name, that adds them up."""
    missing = numpy_helper.from_array(np.array(0.25), "_missing")
    shape = numpy_helper.from_array(np.array([-1, 1]), "_shape")
    weights = [missing, shape, numpy_helper.from_array(np.array(float(bias)), "_bias")]
    nodes, inputs, total = [], [], "_bias"
    for number, feature in enumerate(schema.features):
        name, found, known = feature.name, f"_{number}", f"_{number}_known"
        if feature.kind == "numeric":
            inputs.append(helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["batch"]))
            nodes.append(helper.make_node("IsNaN", [name], [f"{found}_nan"]))
            nodes.append(helper.make_node("Where", [f"{found}_nan", "_missing", name], [known]))
        else:
            inputs.append(helper.make_tensor_value_info(name, TensorProto.STRING, ["batch"]))
            codes: dict[str, Any] = {
                "keys_strings": ["", *WORDS],
                "values_floats": [0.25, *(FIRST_WORD + place for place in range(len(WORDS)))],
                "default_float": UNSEEN,
            }
            domain = "ai.onnx.ml"
            nodes.append(
                helper.make_node("LabelEncoder", [name], [f"{found}_f"], domain=domain, **codes)
            )
            nodes.append(helper.make_node("Cast", [f"{found}_f"], [known], to=TensorProto.DOUBLE))
        weights.append(numpy_helper.from_array(np.array(10.0**number), f"{found}_weight"))
        nodes.append(helper.make_node("Mul", [known, f"{found}_weight"], [f"{found}_product"]))
        nodes.append(helper.make_node("Add", [total, f"{found}_product"], [f"{found}_total"]))
        total = f"{found}_total"
    nodes.append(helper.make_node("Reshape", [total, "_shape"], ["predictions"]))
    predictions = helper.make_tensor_value_info("predictions", TensorProto.DOUBLE, ["batch", 1])
    return helper.make_model(
        helper.make_graph(nodes, "table", inputs, [predictions], weights),
        opset_imports=[helper.make_opsetid("", 15), helper.make_opsetid("ai.onnx.ml", 2)],
        ir_version=8,
    )


def train(
    places: Places, bias: float = 0.0, networks: Sequence[ModelName] = ("dense",)
) -> Registry:
    """Publishes versions in a store as a job on the table `houses` does; each takes over."""
    registry, job_id = places.registry.of("houses"), str(uuid.uuid4())
    registry.catch_up()
    attempt = registry.staging.begin(job_id)
    config = {"dataset": {"kind": "table", "name": "houses", "revision": 1}}
    for network in networks:
        about = metadata(network, job_id).model_copy(
            update={"config": TrainConfig.model_validate(config), "table": HOUSES}
        )
        folder = attempt.folder / network
        fill(folder, about)
        onnx.save(graph(HOUSES, bias), folder / ONNX)
        seal(folder, about)
    registry.staging.publish(job_id, attempt)
    promotion.publish(registry, job_id, as_told)
    registry.staging.remove(job_id)
    return registry


def publish(
    artifacts: Path,
    schema: TableSchema = HOUSES,
    dataset: str = "houses",
    network: ModelName = "dense",
    *,
    version: int = 1,
    bias: float = 0.0,
    scores: dict[str, float] | None = None,
    instances: Sequence[Sequence[Any]] = (),
    targets: Sequence[float] = (),
    day: int = 1,
    revision: int = 1,
    job_id: str = JOB,
) -> Registry:
    """Puts a version where a job would publish it; it serves, as the newest one."""
    (artifacts / FOLDER / dataset / str(revision)).mkdir(parents=True, exist_ok=True)
    about = metadata(network, job_id).model_copy(
        update={
            "config": TrainConfig.model_validate(
                {"dataset": {"kind": "table", "name": dataset, "revision": revision}}
            ),
            "table": schema,
            "scores": scores or {"validation_rmse": 1.0},
            "created_at": datetime(2026, 1, day, tzinfo=UTC),
        }
    )
    registry = Registry(artifacts, dataset)
    folder = registry.folder(network, version)
    fill(folder, about)
    onnx.save(graph(schema, bias), folder / ONNX)
    if instances:
        kept = {"instances": instances, "targets": targets}
        (folder / HELD_OUT).write_text(json.dumps(kept))
    seal(folder, about)
    return registry
