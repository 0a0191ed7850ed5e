"""The least that uvicorn can do: an ASGI function that reads a body and answers a constant.

python -m benchmarks.bare --port 8001 --size 60 --header "content-type: application/json"
"""

from typing import Annotated

import typer
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send


def constant(answer: bytes, headers: list[tuple[bytes, bytes]]) -> ASGIApp:
    """Answers every request with `answer`, once the whole body is there."""
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    body = {"type": "http.response.body", "body": answer}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        parts = []
        while True:
            message = await receive()
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        b"".join(parts)
        await send(start)
        await send(body)

    return app


def main(
    port: Annotated[int, typer.Option()],
    size: Annotated[int, typer.Option(help="Bytes of the answer.")],
    header: Annotated[list[str] | None, typer.Option(help="`name: value`, of the answer.")] = None,
) -> None:
    """Answer as many bytes to everything, with the settings of `service/server.py`."""
    pairs = (line.split(": ", 1) for line in header or [])
    headers = [(name.encode(), value.encode()) for name, value in pairs]
    uvicorn.run(
        constant(bytes(size), headers),
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )


if __name__ == "__main__":
    typer.run(main)
