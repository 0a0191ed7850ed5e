"""The job database, SQLite or Postgres: made ready, and asked within bounded time.

While it hangs, each request to it holds one of asyncio's few threads. What has to go on without it
uses others: predictions their own, the access log and `/readyz` those of anyio.

What SQLite cannot do for want of a disk counts as a lost connection. SQLAlchemy then throws its
connections away, of which some may have been opened while the disk was read-only and would stay so.
DBOS waits and tries again, as it does with Postgres. Else it gives up what it was about to write: a
job that has published would run for ever, or fail.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable
from typing import TypeVar

import sqlalchemy
from dbos import DBOS
from sqlalchemy.engine import ExceptionContext

from service.errors import RETRY_AFTER_SECONDS, Unavailable
from service.settings import Settings

logger = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER_SECONDS = 10.0

_TROUBLE = (sqlalchemy.exc.SQLAlchemyError, sqlite3.Error, OSError)

_DISK_FAULTS = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
}


async def prepare(settings: Settings) -> None:
    """Makes the tables if they are missing, as soon as the database answers.

    Any process may do so at any time.
    """
    count_disk_faults_as_lost_connections()
    while True:
        try:
            return await asyncio.to_thread(_make_tables, settings)
        except _TROUBLE as error:
            logger.error("the job database cannot be used yet: %s", error)
        await asyncio.sleep(RETRY_AFTER_SECONDS)


async def ask(call: Awaitable[T], within: float = ANSWER_SECONDS) -> T:
    """Awaits what asks the job database, for so many seconds.

    Raises:
        Unavailable: The database does not answer. It may still do what it was asked to.
    """
    try:
        async with asyncio.timeout(within):
            return await call
    except _TROUBLE as error:  # a timeout is an OSError
        raise Unavailable(
            "the job database does not answer", {"Retry-After": str(RETRY_AFTER_SECONDS)}
        ) from error


def count_disk_faults_as_lost_connections() -> None:
    """Has an effect on every engine of this process."""
    sqlalchemy.event.listen(sqlalchemy.Engine, "handle_error", _mark)


def _make_tables(settings: Settings) -> None:
    if not settings.database_url:
        settings.artifacts_dir.mkdir(parents=True, exist_ok=True)
        # Readers and the writer do not wait for each other; SQLite remembers the mode.
        with sqlite3.connect(settings.artifacts_dir / "jobs.sqlite", timeout=30) as database:
            database.execute("PRAGMA journal_mode=WAL")
        database.close()
    DBOS.migrate(settings.jobs_url)


def _mark(context: ExceptionContext) -> None:
    code = getattr(context.original_exception, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _DISK_FAULTS:  # the other bits tell the faults apart
        context.is_disconnect = True
