"""What all steps of the demo share: calls that are shown as one would type them."""

import json
from shlex import quote
from typing import Any

from rich.text import Text

from service.client import Client
from service.commands.output import out


def get(service: Client, path: str, **parameters: Any) -> dict[str, Any]:
    """Shows a GET, and returns the JSON of its answer."""
    show(f"curl {quote(service.url_of(path, parameters))}")
    return service.get(path, **parameters)


def post(service: Client, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
    """Shows a POST, and returns the JSON of its answer."""
    url = service.url_of(path)
    if body is None:
        show(f"curl -X POST {url}")
    else:
        document = quote(json.dumps(body, ensure_ascii=False))
        show(f"curl {url} -H 'Content-Type: application/json' -d {document}")
    return service.post(path, body)


def show(call: str) -> None:
    """Prints a call as one would type it."""
    out.print(Text.assemble("\n", ("$", "bold"), f" {call}"), soft_wrap=True)
