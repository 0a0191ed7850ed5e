"""The life of a worker whose jobs are in Postgres: a lock that it loses if it does not ping.

The lock belongs to a session of its own, which the server ends when it hears nothing for
`LEASE_SECONDS` by its own clock: a worker that is killed, stopped or cut off need not tell anybody.
Well before that the worker takes its lease for over and ends, and with it the child that trains. A
child asks for the lease just before it decides to publish.
"""

import logging
import math
import secrets
import threading
import time
from typing import NamedTuple

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from service.clock import now
from service.errors import printable
from service.file_lock import Locked
from service.jobs.worker_state import REASON_LENGTH, Said, State
from service.jobs.workers import KEY

logger = logging.getLogger(__name__)

PING_SECONDS = 3.0
AGAIN_SECONDS = 0.5

OVER_SECONDS = 10.0
"""After so long without a ping the worker ends."""

LEASE_SECONDS = 15
"""After so long without a ping the server gives the lock to anybody."""

TELL_SECONDS = 1.0
"""How long to wait until a word is in the database, which may be away."""

LOCK = text(f"SELECT pg_try_advisory_lock({KEY})")

TELL = text("""
    INSERT INTO crosscheck.workers (name, state, reason, said_at)
    VALUES (:name, :state, :reason, now())
    ON CONFLICT (name) DO UPDATE SET state = :state, reason = :reason, said_at = now()
    WHERE workers.state <> 'died'
""")

HAS_DIED = text(
    "SELECT EXISTS (SELECT FROM crosscheck.workers WHERE name = :name AND state = 'died')"
)


class Word(NamedTuple):
    """What a worker says, and whether the database knows of it."""

    said: Said
    is_told: threading.Event


class Lease:
    """The lock of a worker, in its own hands, under a name that nobody has had before."""

    def __init__(self, engine: Engine) -> None:
        """Waits until the database answers; it must have its tables."""
        self.name = secrets.token_hex(6)
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._session: Connection | None = None
        self._using = threading.Lock()
        self._over_at = math.inf
        self._word = Word(Said(state="starting"), threading.Event())
        self._wake = threading.Event()
        self.hold()
        threading.Thread(target=self._keep, daemon=True).start()

    def say(self, state: State, reason: str = "") -> None:
        """Tells what the worker does from now on; waits until it is told, but not for long."""
        said = Said(state=state, reason=printable(reason, REASON_LENGTH))
        self._word = word = Word(said, threading.Event())
        self._wake.set()
        if not word.is_told.wait(TELL_SECONDS):
            logger.warning("the job database does not know yet that the worker is %s", state)

    def hold(self) -> float:
        """Until when, by `clock`, the lock is this worker's, after the database has confirmed it.

        Waits until the database answers; once the lease is over, for ever.
        """
        with self._using:
            told = False
            while not self.is_over:
                asked_at = now()
                try:
                    self._ping()
                except (SQLAlchemyError, Locked) as error:
                    if not told:
                        logger.warning("worker %s cannot ping: %s", self.name, in_short(error))
                    told = True
                    self._drop_session()
                    time.sleep(AGAIN_SECONDS)
                else:
                    if not self.is_over:
                        self._over_at = asked_at + OVER_SECONDS
                        return self._over_at
            while True:
                time.sleep(OVER_SECONDS)

    @property
    def is_over(self) -> bool:
        """Whether the lock may be another's; this process must end then."""
        return now() >= self._over_at

    def _keep(self) -> None:
        while True:
            self._wake.wait(PING_SECONDS)
            self._wake.clear()
            self.hold()

    def _ping(self) -> None:
        if self._session is None:
            self._session = self._open_session()
        word = self._word  # once: meanwhile there may come to be another
        if word.is_told.is_set():
            self._session.execute(text("SELECT"))
        else:
            self._session.execute(TELL, {"name": self.name, **word.said.model_dump()})
            word.is_told.set()

    def _open_session(self) -> Connection:
        """Raises Locked if somebody holds the lock: one who judges, or a session of ours before."""
        session = self._engine.connect()
        try:
            session.execute(text(f"SET idle_session_timeout = '{LEASE_SECONDS}s'"))
            if not session.scalar(LOCK, {"name": self.name}):
                raise Locked("another session holds the lock")
            if session.scalar(HAS_DIED, {"name": self.name}):
                self._over_at = -math.inf  # its jobs are others' by now
        except BaseException:
            session.invalidate()  # or it would come back from the pool, perhaps with the lock
            raise
        return session

    def _drop_session(self) -> None:
        if self._session is not None:
            self._session.invalidate()
            self._session = None


def in_short(error: Exception) -> str:
    """The first line of what the database, or its driver, has said."""
    return str(getattr(error, "orig", error)).partition("\n")[0]
