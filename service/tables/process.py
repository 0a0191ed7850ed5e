"""The process that reads an upload: a stranger's bytes may end it, and nothing else.

It is told what to do by a line of JSON, and tells of its progress and its verdict in others: see
reader.py. It ends at the latest when its standard input is closed, whoever closes it.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import JsonValue

from models.schema import TableSchema
from service.errors import (
    RETRY_LATER,
    BadRequest,
    Conflict,
    CrosscheckError,
    Invalid,
    TooLarge,
    Unavailable,
)
from service.tables.contents import Contents
from service.tables.options import Bounds, Options

READER = ("-m", "service.tables.reader")

LINE_BYTES = 16 * 2**20
"""The longest line that it may say: the profile of thousands of columns."""

NICENESS = 10
"""It leaves the processors to predictions."""

_REFUSALS: Mapping[int, type[CrosscheckError]] = {
    refusal.status: refusal for refusal in (BadRequest, Conflict, TooLarge, Invalid, Unavailable)
}


async def read(
    upload: Path,
    folder: Path,
    options: Options,
    bounds: Bounds,
    expected: TableSchema | None,
    seconds: float,
) -> Contents:
    """Has an upload read into `folder`, as `data.parquet`.

    Raises:
        CrosscheckError: It is no table that is allowed here.
        Unavailable: There can be no such process, or the disk does not take what it writes.
    """
    task: dict[str, JsonValue] = {
        "upload": str(upload),
        "folder": str(folder),
        "options": options.model_dump(mode="json"),
        "bounds": bounds.model_dump(mode="json"),
    }
    if expected is not None:
        task["expected"] = expected.model_dump(mode="json")
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *READER),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=LINE_BYTES,
        )
    except OSError as error:
        why = f"no process can be started to read it: {error.strerror}"
        raise Unavailable(why, RETRY_LATER, "processes") from None
    try:
        with suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
        async with asyncio.timeout(seconds):
            return await _verdict(process, task)
    except TimeoutError:
        raise Invalid(f"the file could not be read within {seconds:g} s") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _verdict(process: asyncio.subprocess.Process, task: dict[str, JsonValue]) -> Contents:
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(ConnectionError, RuntimeError):  # it has ended, and uvloop has taken notice
        process.stdin.write(json.dumps(task).encode() + b"\n")
        await process.stdin.drain()
    async for line in process.stdout:
        if not line.endswith(b"\n"):
            break  # it ended as it spoke
        said = json.loads(line)
        if "table" in said:
            return Contents.model_validate(said["table"])
        if "refused" in said:
            refusal = _REFUSALS[said["status"]]
            raise refusal(said["refused"], RETRY_LATER if refusal is Unavailable else None)
    raise Invalid(
        f"the file cannot be read: it made the reading process end ({_end(await process.wait())})"
    )


def _end(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"with status {status}"
