"""A real Postgres for tests, of Debian's package."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest


class Postgres:
    """A server on a free port of a machine, which trusts everybody who reaches it there."""

    def __init__(
        self,
        programs: Path,
        folder: Path,
        user: str | None,
        host: str = "127.0.0.1",
        launcher: Sequence[str] = (),
    ) -> None:
        """
        Args:
            launcher: What a command begins with that runs where the server is to run.
        """
        self._programs = programs
        self._folder = folder
        self._user = user
        self._host = host
        self._launcher = launcher
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync", "--no-instructions")
        settings = {
            "fsync": "off",
            "listen_addresses": host,
            "port": str(self.port),
            "unix_socket_directories": "",
        }
        with (folder / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        with (folder / "pg_hba.conf").open("a") as file:
            file.write("host all all samenet trust\n")
        self.start()

    def start(self) -> None:
        """Returns when it answers."""
        self._control("start", "--log", str(self._folder / "log"))

    def stop(self, mode: str = "fast") -> None:
        """Ends all sessions."""
        self._control("stop", f"--mode={mode}")

    def restart(self) -> None:
        """Ends all sessions, and returns when it answers again."""
        self._control("restart", "--mode=fast", "--log", str(self._folder / "log"))

    def crash(self) -> None:
        """Kills a session, and so ends all; returns when it answers again.

        To itself, it has been running since it was started.
        """
        killed, other = (psycopg.connect(self._url("postgres")) for _ in range(2))
        psutil.Process(killed.info.backend_pid).kill()
        with suppress(psycopg.OperationalError):
            other.execute("SELECT pg_sleep(60)")
        killed.close()
        other.close()
        while True:
            try:
                return psycopg.connect(self._url("postgres")).close()
            except psycopg.OperationalError:
                time.sleep(0.02)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Stops every process of it for a while, as a machine that hangs."""
        postmaster = psutil.Process(int((self._folder / "postmaster.pid").read_text().split()[0]))
        processes = [postmaster, *postmaster.children()]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    def database(self) -> str:
        """Makes a database; returns its URL."""
        name = uuid.uuid4().hex
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self._url(name)

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@{self._host}:{self.port}/{database}"

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "--wait", "--silent", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        as_user: list[str] = []
        if self._user is not None:
            as_user = [
                "setpriv",
                f"--reuid={self._user}",
                f"--regid={self._user}",
                "--clear-groups",
            ]
        command = [str(self._programs / program), f"--pgdata={self._folder}", *arguments]
        subprocess.run(
            [*self._launcher, *as_user, *command],
            cwd="/",
            stdout=subprocess.DEVNULL,
            timeout=60,
            check=True,
        )


@contextmanager
def running(host: str = "127.0.0.1", launcher: Sequence[str] = ()) -> Iterator[Postgres]:
    """A server for some tests, which are skipped where none can be had."""
    programs = _programs()
    # Not below pytest's folder, into which no other user may look, nor in a /tmp that others hide.
    folder = Path(tempfile.mkdtemp(prefix="crosscheck-postgres-", dir="/var/tmp"))
    user = None
    if os.geteuid() == 0:  # as whom Postgres does not run
        user = "postgres"
        shutil.chown(folder, user, user)
    server = Postgres(programs, folder, user, host, launcher)
    try:
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(folder)


def _programs() -> Path:
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else [*Path("/usr/lib/postgresql").glob("*/bin")]
    if not places:
        pytest.skip("Postgres is not installed: Debian's package is postgresql")
    return max(places, key=lambda place: place.parent.name)
