"""What the job database in SQLite cannot do for want of a disk counts as a lost connection.

SQLAlchemy then throws its connections away, of which some may have been opened while the disk was
read-only and would stay so. DBOS waits and tries again, as it does with Postgres. Without this, it
gives up what it was about to write: a job that has published would run for ever, or fail.
"""

import sqlite3

import sqlalchemy
from sqlalchemy.engine import ExceptionContext

_DISK_FAULTS = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
}


def count_as_lost_connections() -> None:
    """Has an effect on every engine of this process."""
    sqlalchemy.event.listen(sqlalchemy.Engine, "handle_error", _mark)


def _mark(context: ExceptionContext) -> None:
    code = getattr(context.original_exception, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _DISK_FAULTS:  # the other bits tell the faults apart
        context.is_disconnect = True
