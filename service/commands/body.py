"""The body of a request, from a file and from what is said beside it."""

import json
from typing import Any, NoReturn

import typer

from service.commands.files import contents


def body(file: str) -> dict[str, Any]:
    """The JSON object in a file; `-` is the standard input. Raises BadParameter."""
    try:
        found = parsed(contents(file).decode("utf-8-sig"))
    except ValueError as error:
        raise typer.BadParameter(f"'{file}' is not JSON: {error}", param_hint="FILE") from None
    if not isinstance(found, dict):
        raise typer.BadParameter(f"'{file}' must hold a JSON object", param_hint="FILE")
    return found


def with_changes(config: dict[str, Any], changes: list[str]) -> dict[str, Any]:
    """A config with values set by dotted paths: `dataset.size=1000`. Raises BadParameter."""
    for change in changes:
        path, mark, text = change.partition("=")
        *outer, last = path.split(".")
        if not mark or not all([*outer, last]):
            _refuse(f"'{change}' is not like epochs=20 or dataset.size=1000")
        inner = config
        for depth, name in enumerate(outer, 1):
            inner = inner.setdefault(name, {})
            if not isinstance(inner, dict):
                _refuse(f"'{path}': {'.'.join(outer[:depth])} is {json.dumps(inner)}, no object")
        inner[last] = _value(text)
    return config


def parsed(text: str) -> Any:
    """JSON, which knows no NaN. Raises ValueError."""
    return json.loads(text, parse_constant=_not_json)


def _value(text: str) -> Any:
    """A value as JSON, or else as the text that it is."""
    try:
        return parsed(text)
    except ValueError:
        return text


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no value")


def _refuse(why: str) -> NoReturn:
    raise typer.BadParameter(why, param_hint="--set")
