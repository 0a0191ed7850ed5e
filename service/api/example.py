"""`GET /datasets/{name}/example`: how to ask for predictions of a dataset."""

import asyncio
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from pydantic import JsonValue

from models.schema import TRIPLES, Column, DatasetName, TableSchema, Type
from service.api.dependencies import TheRegistry, TheTables
from service.predict.default import Default, held_out
from service.predict.following import Following
from service.predict.formats.intake import OF_TRIPLES
from service.predict.shapes import Example
from service.registry.versions import Registry
from service.tables.rows import first_rows
from service.tables.store import Tables

router = APIRouter(tags=["datasets"])

ROWS = 2

TYPES: dict[Type, list[JsonValue]] = {
    "number": ["number"],
    "boolean": ["boolean"],
    "text": ["string"],
    "code": ["integer", "string"],
}

_decode = msgspec.json.Decoder(list[list[Any]]).decode


@router.get("/datasets/{name}/example")
async def get_example(
    request: Request, registry: TheRegistry, tables: TheTables, name: DatasetName
) -> Example:
    """A body for `POST /predict` that works once a network serves, and which columns there are."""
    following: Following = request.app.state.following
    default = (await following.of(name)).default
    return await asyncio.to_thread(_example, default, registry.of(name), tables)


def _example(default: Default | None, registry: Registry, tables: Tables) -> Example:
    name = registry.dataset
    loaded = default and default.loaded
    if loaded and (kept := held_out(registry, loaded.model, loaded.version)).targets:
        schema = loaded.intake.schema
        names = [feature.name for feature in schema.features]
        rows = [dict(zip(names, row, strict=True)) for row in _decode(kept.instances)[:ROWS]]
    elif name == TRIPLES:
        schema, rows = OF_TRIPLES, [{"x0": 0.5, "x1": 0.25, "x2": 0.125}]
    else:
        number, stored = tables.find(name)
        schema = stored.contents.table_schema
        rows = first_rows(tables, name, number, ROWS)
    instances: list[JsonValue] = [
        {feature.name: _shown(feature, row[feature.name]) for feature in schema.features}
        for row in rows
    ]
    return Example(
        body={"dataset": name, "instances": instances},
        instance_schema=_json_schema(name, schema),
        target=schema.target,
        task=schema.task,
        classes=schema.classes,
    )


def _shown(feature: Column, value: JsonValue) -> JsonValue:
    """A value as a person would write it."""
    if feature.type == "boolean" and value is not None:
        return bool(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _json_schema(name: str, schema: TableSchema) -> dict[str, JsonValue]:
    names: list[JsonValue] = [feature.name for feature in schema.features]
    may_be: list[JsonValue] = [] if name == TRIPLES else ["null"]
    properties: dict[str, JsonValue] = {
        feature.name: {"title": feature.name, "type": [*TYPES[feature.type], *may_be]}
        for feature in schema.features
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": name,
        "type": "object",
        "properties": properties,
        "required": names if name == TRIPLES else [],
        "additionalProperties": False,
    }
