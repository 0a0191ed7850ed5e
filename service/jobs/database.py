"""The job database, SQLite or Postgres: made ready, and asked within bounded time.

While it hangs, each request to it holds one of asyncio's few threads. What has to go on without it
uses others: predictions their own, the access log and `/readyz` those of anyio.

What SQLite cannot do for want of a disk counts as a lost connection. SQLAlchemy then throws its
connections away, of which some may have been opened while the disk was read-only and would stay so.
DBOS waits and tries again, as it does with Postgres. Else it gives up what it was about to write: a
job that has published would run for ever, or fail.
"""

import asyncio
import functools
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import psycopg
import sqlalchemy
from dbos import DBOS
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from service.errors import RETRY_AFTER_SECONDS, RETRY_LATER, Unavailable
from service.jobs import workers
from service.settings import Settings

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Operation = Callable[P, Coroutine[Any, Any, T]]

LIVELY = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "10000",
}
"""libpq's parameters: how soon it is to give up a connection whose other end is gone."""

HELD = {
    "idle_in_transaction_session_timeout": "10s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "2",
    "tcp_user_timeout": "10000",
}
"""Postgres's parameters of a session: how soon the server is to give up one whose client is gone.

Until then it holds what it has locked: maybe the row of a job that another worker is to take up.
"""

TELL_HELD = f"""
    SELECT set_config(name, value, false)
    FROM (VALUES {", ".join(map(str, HELD.items()))}) AS held (name, value)
    JOIN pg_settings USING (name)
    WHERE source <> 'client'
"""  # noqa: S608 (all of it is ours)

_DISK_FAULTS = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
}


def url(settings: Settings) -> str:
    """The URL of the job database."""
    if not settings.database_url:
        file = (settings.artifacts_dir / "jobs.sqlite").absolute()
        # Not put together by hand: a path may hold `?` and `%`, which mean something in a URL.
        return sqlalchemy.URL.create("sqlite", database=str(file)).render_as_string()
    given = sqlalchemy.make_url(settings.database_url)
    lively = given.update_query_dict({**LIVELY, **given.query})
    return lively.render_as_string(hide_password=False)


def engine(settings: Settings) -> sqlalchemy.Engine:
    """Connections to the job database for what DBOS does not do."""
    at, options = sqlalchemy.make_url(url(settings)), {}
    if settings.database_url:
        at = at.set(drivername="postgresql+psycopg")
    else:
        options = {"schema_translate_map": {"dbos": None}}  # SQLite has no schemas
    return sqlalchemy.create_engine(at, pool_size=1, pool_pre_ping=True, execution_options=options)


async def prepare(settings: Settings) -> None:
    """Makes the tables if they are missing, as soon as the database answers.

    Any process may do so at any time.
    """
    count_disk_faults_as_lost_connections()
    hold_nothing_for_who_is_gone()
    told = ""
    while True:
        try:
            return await asyncio.to_thread(_make_tables, settings)
        except (sqlalchemy.exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
            if str(error) != told:  # a replica that can only read would say it for ever
                logger.error("the job database cannot be used yet: %s", error)
            told = str(error)
        except Exception:
            logger.exception("the job database cannot be used yet")
        await asyncio.sleep(RETRY_AFTER_SECONDS)


def within(seconds: float) -> Callable[[Operation[P, T]], Operation[P, T]]:
    """Bounds the time of an operation on the job database.

    It raises Unavailable if the database does not answer. What was asked may still be done.
    """

    def bound(operation: Operation[P, T]) -> Operation[P, T]:
        @functools.wraps(operation)
        async def bounded(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                async with asyncio.timeout(seconds):
                    return await operation(*args, **kwargs)
            except (sqlalchemy.exc.SQLAlchemyError, TimeoutError) as error:
                raise Unavailable(
                    "the job database does not answer", RETRY_LATER, "database"
                ) from error

        return bounded

    return bound


def count_disk_faults_as_lost_connections() -> None:
    """Has an effect on every engine of this process."""
    _listen("handle_error", _mark)


def hold_nothing_for_who_is_gone() -> None:
    """Has an effect on every engine of this process.

    By a query, not by libpq's `options`: PgBouncer refuses sessions that begin with these. What
    such `options` of the URL say stands.
    """
    _listen("connect", _tell_how_long_to_hold)


def _tell_how_long_to_hold(session: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    if isinstance(session, psycopg.Connection):
        session.autocommit = True  # else it would end with the transaction
        session.execute(TELL_HELD)
        session.autocommit = False


def _listen(event: str, listener: Callable[..., None]) -> None:
    if not sqlalchemy.event.contains(sqlalchemy.Engine, event, listener):
        sqlalchemy.event.listen(sqlalchemy.Engine, event, listener)


def _make_tables(settings: Settings) -> None:
    if not settings.database_url:
        settings.artifacts_dir.mkdir(parents=True, exist_ok=True)
        # Readers and the writer do not wait for each other; SQLite remembers the mode.
        with sqlite3.connect(settings.artifacts_dir / "jobs.sqlite", timeout=30) as database:
            database.execute("PRAGMA journal_mode=WAL")
        database.close()
    DBOS.migrate(url(settings))
    if settings.database_url:
        ours = engine(settings)
        with ours.begin() as connection:
            workers.make_table(connection)
        ours.dispose()


def _mark(context: ExceptionContext) -> None:
    code = getattr(context.original_exception, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _DISK_FAULTS:  # the other bits tell the faults apart
        context.is_disconnect = True
