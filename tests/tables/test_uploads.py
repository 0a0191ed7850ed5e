"""An upload's way into the store, with a stand-in for the process that reads it."""

import asyncio
import gzip
import hashlib
from collections.abc import Awaitable
from pathlib import Path

import psutil
import pytest
from starlette.types import Message, Receive

from service.errors import BadRequest, Conflict, Invalid, TooLarge, Unavailable
from service.settings import Settings
from service.tables import process
from service.tables.options import Options
from service.tables.revisions import Description
from service.tables.store import Tables
from service.tables.uploads import Uploads
from tests.tables import stand_in
from tests.tables.revisions import publish

pytestmark = pytest.mark.anyio

OPTIONS = Options(target="price")


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "READER", stand_in.SCRIPT)


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    settings = Settings(artifacts_dir=tmp_path, max_upload_bytes=2**22)
    return Uploads(Tables(tmp_path), settings)


class Client:
    """Sends a body in parts; then it stays until it leaves."""

    def __init__(self, *parts: bytes, ends: bool = True) -> None:
        self.messages: list[Message] = [
            {"type": "http.request", "body": part, "more_body": True} for part in parts
        ]
        self.messages[-1]["more_body"] = not ends
        self.left = asyncio.Event()

    async def __call__(self) -> Message:
        if self.messages:
            return self.messages.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}


def put(uploads: Uploads, receive: Receive) -> Awaitable[tuple[Description, bool]]:
    return uploads.put("houses", OPTIONS, receive)


def nothing_is_left(uploads: Uploads) -> bool:
    return uploads.tables.names() == [] and not list(uploads.tables.staging.iterdir())


async def test_a_body_becomes_a_revision(uploads: Uploads) -> None:
    parts = [b"rooms\n", bytes(2**20 - 6), bytes(2**20), b"end"]
    revision, is_new = await put(uploads, Client(*parts))
    assert is_new
    assert revision.upload is not None
    assert revision.upload.bytes == 2**21 + 3
    assert revision.upload.sha256 == hashlib.sha256(b"".join(parts)).hexdigest()
    uploads.tables.verify("houses", 1)
    assert not list(uploads.tables.staging.iterdir())


async def test_a_body_that_comes_again_is_not_read_again(uploads: Uploads) -> None:
    first, _ = await put(uploads, Client(b"rooms"))
    process.READER = ("-c", "import sys; sys.exit('nobody is to ask')")
    assert await put(uploads, Client(b"rooms")) == (first, False)


async def test_a_compressed_body_counts_as_what_it_holds(uploads: Uploads) -> None:
    first, _ = await put(uploads, Client(b"rooms"))
    packed = Client(gzip.compress(b"rooms"))
    assert await uploads.put("houses", OPTIONS, packed, b"gzip") == (first, False)
    bomb = Client(gzip.compress(bytes(2**22 + 1)))
    with pytest.raises(TooLarge):
        await uploads.put("houses", OPTIONS, bomb, b"gzip")


async def test_too_large_a_body_is_refused_and_gone(uploads: Uploads) -> None:
    with pytest.raises(TooLarge, match="larger than 4194304 bytes"):
        await put(uploads, Client(*[bytes(2**20)] * 4, b" "))
    assert nothing_is_left(uploads)


@pytest.mark.parametrize("told", [b"refuse 422", b"die SIGSEGV"])
async def test_of_a_file_that_is_no_table_nothing_is_left(uploads: Uploads, told: bytes) -> None:
    with pytest.raises(Invalid):
        await put(uploads, Client(told))
    assert nothing_is_left(uploads)


async def test_a_client_that_goes_away_as_it_sends_leaves_nothing(uploads: Uploads) -> None:
    client = Client(b"rooms", ends=False)
    client.left.set()
    with pytest.raises(BadRequest, match="went away"):
        await put(uploads, client)
    assert nothing_is_left(uploads)


async def test_a_client_that_goes_away_later_ends_the_reading(uploads: Uploads) -> None:
    client = Client(b"sleep")
    upload = asyncio.ensure_future(put(uploads, client))
    reader = await asyncio.to_thread(stand_in.wait_for_sleeper, uploads.tables.root)
    client.left.set()
    with pytest.raises(BadRequest, match="went away"):
        await upload
    assert not psutil.pid_exists(reader)
    assert nothing_is_left(uploads)


async def test_beyond_the_bound_of_uploads_there_is_no_place_until_one_ends(
    uploads: Uploads,
) -> None:
    clients = [Client(b"rooms", ends=False) for _ in range(uploads.settings.max_uploads)]
    running = [asyncio.ensure_future(put(uploads, client)) for client in clients]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="too many uploads") as refused:
        await put(uploads, Client(b"rooms"))
    assert refused.value.headers["Retry-After"] == "1"
    for client in clients:
        client.left.set()
    await asyncio.wait(running)
    assert all(isinstance(each.exception(), BadRequest) for each in running)
    assert (await put(uploads, Client(b"rooms")))[1]


async def test_of_two_tables_at_once_the_second_is_held_against_the_first(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = Tables(uploads.tables.artifacts)

    def late(name: str) -> object:
        """Looks before, and is told after, another client has put a table there."""
        found = others.expected(name)
        if found is None:
            publish(others, "houses", features=["area"])
        return found

    monkeypatch.setattr(uploads.tables, "expected", late)
    with pytest.raises(Conflict, match="other columns"):
        await put(uploads, Client(b"rooms"))
    assert uploads.tables.numbers("houses") == [1]
