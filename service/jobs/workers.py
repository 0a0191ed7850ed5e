"""Workers as Postgres knows them: who lives, and what each says of itself.

A worker lives as long as its lease, the advisory lock of its name, is held. Its row stays for a
while when it is gone, and says why.

    crosscheck.workers    name, state, reason, said_at
"""

from sqlalchemy import Connection, Engine, text

from service.jobs.worker_state import NOBODY, Said, why

KEY = "hashtextextended(:name, 4711)"
"""The key of a worker's lock; the number tells it from keys that others make of the same name."""

REASON_SECONDS = 60
"""How long one that has failed says why, while it, or another, only starts."""

MAKE = (
    "SELECT pg_advisory_xact_lock(hashtextextended('crosscheck.workers', 4711))",
    "CREATE SCHEMA IF NOT EXISTS crosscheck",
    """
    CREATE TABLE IF NOT EXISTS crosscheck.workers (
        name text PRIMARY KEY,
        state text NOT NULL,
        reason text NOT NULL,
        said_at timestamptz NOT NULL
    )
    """,
)

NEWS = text(f"""
    SELECT name, state, reason, held
    FROM (
        SELECT *, EXISTS (
            SELECT FROM pg_locks
            WHERE locktype = 'advisory' AND granted AND objsubid = 1
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND (classid::bigint << 32 | objid::bigint) = {KEY.replace(":name", "name")}
        ) AS held
        FROM crosscheck.workers
    ) AS known
    ORDER BY
        state = 'ready' AND held DESC,
        state = 'failed' AND said_at > now() - make_interval(secs => :reason_seconds) DESC,
        said_at DESC
    LIMIT 1
""")  # noqa: S608 (all of it is ours)


def make_table(connection: Connection) -> None:
    """Makes the table if it is missing; any process may do so at any time."""
    exists = "SELECT to_regclass('crosscheck.workers') IS NOT NULL"
    if not connection.scalar(text(exists)):  # so that later nobody needs the right to make it
        for statement in MAKE:
            connection.execute(text(statement))


def why_down(engine: Engine) -> str | None:
    """Why no job is taken from the queue; None if there is a worker that does.

    Raises SQLAlchemyError if the database does not answer.
    """
    with engine.connect() as connection:
        row = connection.execute(NEWS, {"reason_seconds": REASON_SECONDS}).first()
    if row is None:
        return NOBODY
    return why(row.name, Said(state=row.state, reason=row.reason), row.held)
