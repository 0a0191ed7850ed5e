"""A real Postgres for tests, of Debian's package."""

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest


class Postgres:
    """A server on a free port of this machine, which trusts everybody there."""

    def __init__(self, programs: Path, folder: Path, user: str | None) -> None:
        self._programs = programs
        self._folder = folder
        self._user = user
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync", "--no-instructions")
        settings = {
            "fsync": "off",
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
        }
        with (folder / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
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
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "--wait", "--silent", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, "--pgdata", self._folder, *arguments],
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
            cwd="/",
            stdout=subprocess.DEVNULL,
            timeout=60,
            check=True,
        )


@contextmanager
def running() -> Iterator[Postgres]:
    """A server for some tests, which are skipped where none can be had."""
    programs = _programs()
    # Not below pytest's folder, into which no other user may look.
    folder = Path(tempfile.mkdtemp(prefix="crosscheck-postgres-"))
    user = None
    if os.geteuid() == 0:  # as whom Postgres does not run
        user = "postgres"
        shutil.chown(folder, user, user)
    server = Postgres(programs, folder, user)
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
