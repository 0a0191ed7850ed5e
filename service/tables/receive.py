"""The bytes of an upload, from the connection to a file."""

import asyncio
import hashlib
from concurrent.futures import Executor
from pathlib import Path

from starlette.types import Receive

from service.errors import BadRequest, TooLarge
from service.tables.revisions import Upload

PIECE_BYTES = 2**20
"""What is held of a body before a thread writes it."""


async def receive_file(receive: Receive, path: Path, most: int, threads: Executor) -> Upload:
    """Writes a body to a new file, and no more than a piece of it is ever in memory.

    Raises:
        TooLarge: It has more than `most` bytes.
        BadRequest: Its client went away.
        OSError: The disk does not take it.
    """
    loop = asyncio.get_running_loop()
    digest, size = hashlib.sha256(), 0

    def write(piece: bytearray) -> None:
        digest.update(piece)
        file.write(piece)

    with await loop.run_in_executor(threads, path.open, "xb") as file:
        more = True
        while more:
            piece = bytearray()
            while more and len(piece) < PIECE_BYTES:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise BadRequest("the client went away")
                piece += message["body"]
                more = message["more_body"]
            size += len(piece)
            if size > most:
                raise TooLarge(f"the body is larger than {most} bytes")
            await loop.run_in_executor(threads, write, piece)
    return Upload(sha256=digest.hexdigest(), bytes=size)
