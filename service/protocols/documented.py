"""How the bodies of other protocols stand in the OpenAPI document."""

from collections.abc import Mapping
from typing import Any


def request_body(examples: Mapping[str, Any], **others: Mapping[str, Any]) -> dict[str, Any]:
    """What an endpoint adds to its operation: a body of JSON, with examples by what they show.

    Args:
        others: What else it takes, by media type.
    """
    named = {name: {"value": value} for name, value in examples.items()}
    json = {"schema": {"type": "object"}, "examples": named}
    return {"requestBody": {"required": True, "content": {"application/json": json, **others}}}
