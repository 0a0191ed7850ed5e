"""What becomes of an upload: received, read in a process of its own, published."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from starlette.types import Receive

from service import taken_folder
from service.errors import BadRequest, Invalid, Unavailable
from service.http import content_coding
from service.settings import Settings
from service.tables import link, process
from service.tables.link import LINK
from service.tables.options import Bounds, Options
from service.tables.receive import receive_file
from service.tables.revisions import Description, Stored, Upload
from service.tables.store import SchemaChanged, Tables

T = TypeVar("T")


class Uploads:
    """Puts tables into the store, a few at a time."""

    def __init__(self, tables: Tables, settings: Settings) -> None:
        self.tables = tables
        self.settings = settings
        self.bounds = Bounds(
            max_bytes=settings.max_upload_bytes,
            max_rows=settings.max_table_rows,
            max_columns=settings.max_table_columns,
            max_distinct=settings.max_distinct_values,
            memory_bytes=settings.upload_memory_bytes,
        )
        self._running = 0
        # Of its own: a slow disk is not to hold the threads that all others share.
        self._threads = ThreadPoolExecutor(settings.max_uploads)

    async def put(
        self, name: str, options: Options, receive: Receive, content_encoding: bytes = b""
    ) -> tuple[Description, bool]:
        """Makes a body the newest revision of a dataset; returns that, and whether it is new.

        Raises:
            CrosscheckError: It is refused, and nothing of it is left.
        """
        if options.url:
            self._refuse_unless_allowed(options.url)
        most = self.settings.max_upload_bytes
        body = content_coding.decoded(content_encoding, receive, most)
        if self._running >= self.settings.max_uploads:
            raise Unavailable("too many uploads at once", {"Retry-After": "1"}, "uploads")
        self._running += 1
        try:
            async with self._staged() as folder:
                file = folder / "upload"
                upload = await receive_file(body, file, most, self._threads)
                if options.url:
                    if upload.bytes:
                        raise Invalid("url: a table that stays there comes without a body")
                    upload = await self._in_thread(_list, options.url, file)
                return await self._read_and_publish(name, options, upload, folder, receive)
        finally:
            self._running -= 1

    def _refuse_unless_allowed(self, url: str) -> None:
        allowed = self.settings.table_urls
        if not allowed:
            raise Invalid("url: CROSSCHECK_TABLE_URLS lets no table stay elsewhere; upload it")
        if not any(url.startswith(f"{prefix}/") for prefix in allowed):
            raise Invalid(f"url: a table may stay below {' or '.join(allowed)}")

    @asynccontextmanager
    async def _staged(self) -> AsyncIterator[Path]:
        await self._in_thread(taken_folder.clear, self.tables.staging)
        staged = await self._in_thread(taken_folder.take, self.tables.staging)
        try:
            yield staged.folder
        except asyncio.CancelledError:
            raise  # this process ends, and a thread may be at work there: others clear it up
        except BaseException:
            await self._in_thread(taken_folder.discard, staged)
            raise
        await self._in_thread(taken_folder.discard, staged)

    async def _read_and_publish(
        self, name: str, options: Options, upload: Upload, folder: Path, receive: Receive
    ) -> tuple[Description, bool]:
        tables, table = self.tables, folder / "table"
        if same := await self._in_thread(tables.newest_of, name, upload, options):
            return same, False
        await self._in_thread(table.mkdir)
        while True:
            expected = await self._in_thread(tables.expected, name)
            reading = process.read(
                *(folder / "upload", table, options, self.bounds, expected),
                seconds=self.settings.upload_seconds,
            )
            stored = Stored(
                created_at=datetime.now(UTC),
                upload=upload,
                options=options,
                contents=await _unless_gone(receive, reading),
            )
            if options.url:
                await self._in_thread(shutil.copyfile, folder / "upload", table / LINK)
            with suppress(SchemaChanged):
                return await self._in_thread(tables.publish, name, table, stored, expected)

    async def _in_thread(self, do: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, do, *arguments)


def _list(url: str, path: Path) -> Upload:
    """Writes what there is at a URL, in place of an upload."""
    found = link.find(url)
    content = msgspec.json.encode(found)
    path.write_bytes(content)
    size = sum(file.size for file in found.files)
    return Upload(sha256=hashlib.sha256(content).hexdigest(), bytes=size)


async def _unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Does some work for a client whose body has come, and stops if the client goes away."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_end_of(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise BadRequest("the client went away")
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.wait((working, leaving))


async def _end_of(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
