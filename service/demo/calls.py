"""What all steps of the demo share: calls that are shown, and their answers."""

import json
from shlex import quote
from typing import Any, NoReturn

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

console = Console(highlight=False)


def get(client: httpx.Client, path: str, **parameters: Any) -> dict[str, Any]:
    """Shows a GET, and returns the JSON of its answer."""
    request = client.build_request("GET", path, params=parameters)
    show(f"curl {quote(str(request.url))}")
    return answer(client.send(request))


def post(client: httpx.Client, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
    """Shows a POST, and returns the JSON of its answer."""
    request = client.build_request("POST", path, json=body)
    if body is None:
        show(f"curl -X POST {request.url}")
    else:
        document = quote(json.dumps(body, ensure_ascii=False))
        show(f"curl {request.url} -H 'Content-Type: application/json' -d {document}")
    return answer(client.send(request))


def show(call: str) -> None:
    """Prints a call as one would type it."""
    console.print(Text.assemble("\n", ("$", "bold"), f" {call}"), soft_wrap=True)


def answer(response: httpx.Response) -> dict[str, Any]:
    """The JSON of an answer. A refusal ends the demo with what its problem document says."""
    if response.is_error:
        is_problem = response.headers.get("content-type") == "application/problem+json"
        why = response.json()["detail"] if is_problem else response.reason_phrase
        fail(f"{response.status_code}: {why}")
    found: dict[str, Any] = response.json()
    return found


def fail(line: str) -> NoReturn:
    """Ends the demo."""
    console.print(line, markup=False, soft_wrap=True)
    raise SystemExit(1)


def progress_bars() -> Progress:
    """Bars whose tasks have a field `state`: how far they are, in words."""
    return Progress(
        TextColumn("{task.description:>8}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
        console=console,
    )
