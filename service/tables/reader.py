"""The short-lived process that reads an upload: `python -m service.tables.reader`.

It is given one line of JSON: `{"upload": path, "folder": path, "options": {…}, "bounds": {…},
"expected": {…}}`, the last only if there are other revisions. It answers with lines of JSON:
`{"rows": n}` any number of times, then `{"table": {…}}` or `{"refused": detail, "status": status}`.
When its standard input is closed, it ends, for then nobody waits. Whatever else becomes of it is a
fault of ours, or the work of a file that was made to break its reader.
"""

import json
import math
import os
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pydantic import Field

from models.schema import TableSchema
from service.errors import CrosscheckError, Unavailable
from service.schemas import Schema
from service.tables.options import Bounds, Options

THREADS = 2
TELL_SECONDS = 0.2

PAGE_BYTES = resource.getpagesize()


class Task(Schema):
    """What to read, and how."""

    upload: Path
    folder: Path
    options: Options
    bounds: Bounds
    expected: TableSchema | None = Field(default=None, description="Of the other revisions.")


def main() -> None:
    """Does the task that standard input holds, and tells on standard output what came of it."""
    task = Task.model_validate_json(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    # In KiB, of addresses: Arrow's allocator would take a gigabyte at once.
    os.environ.update(MIMALLOC_ARENA_RESERVE="65536")
    from service.tables.table import read

    _limit(task)
    try:
        table = read(
            task.upload, task.folder, task.options, task.bounds, task.expected, _Progress().tell
        )
    except CrosscheckError as refusal:
        _say(refused=refusal.detail, status=refusal.status)
    except OSError as error:
        why = f"the disk cannot be used: {os.strerror(error.errno or 0)}"
        _say(refused=why, status=Unavailable.status)
    else:
        _say(table=table.model_dump(mode="json"))


def _limit(task: Task) -> None:
    """Bounds what a file can make this process do."""
    import pyarrow as pa

    pa.set_cpu_count(THREADS)
    pa.set_io_thread_count(THREADS)
    mapped = task.upload.stat().st_size
    used = int(Path("/proc/self/statm").read_text().split()[0]) * PAGE_BYTES
    for what, most in (
        (resource.RLIMIT_AS, used + mapped + task.bounds.memory_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (most if hard < 0 else min(most, hard), hard))


class _Progress:
    """Tells at once, and then from time to time, how many rows were read."""

    def __init__(self) -> None:
        self._told = -math.inf

    def tell(self, rows: int) -> None:
        now = time.monotonic()
        if now - self._told > TELL_SECONDS:
            self._told = now
            _say(rows=rows)


def _say(**message: Any) -> None:
    print(json.dumps(message), flush=True)  # noqa: T201


def _end_with_the_parent() -> None:
    while os.read(sys.stdin.fileno(), 1024):  # without a lock, which would outlast `main`
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
