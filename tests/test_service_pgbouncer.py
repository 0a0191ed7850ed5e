"""A service with PgBouncer between it and Postgres."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy

from benchmarks.servers import free_port
from tests.conftest import SMALL, running
from tests.postgres import Postgres

pytestmark = pytest.mark.slow


@contextmanager
def pgbouncer(url: sqlalchemy.URL) -> Iterator[str]:
    """The URL of the database at `url`, through a PgBouncer in session mode."""
    program = shutil.which("pgbouncer")
    if program is None:
        pytest.skip("pgbouncer is not installed: `apt-get install pgbouncer`")
    port = free_port()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        configuration = Path(folder) / "pgbouncer.ini"
        configuration.write_text(
            "[databases]\n"
            f"{url.database} = host={url.host} port={url.port} user={url.username}\n"
            "[pgbouncer]\n"
            "pool_mode = session\n"
            "auth_type = any\n"
            "listen_addr = 127.0.0.1\n"
            f"listen_port = {port}\n"
            "unix_socket_dir =\n"
        )
        as_user = []
        if os.geteuid() == 0:  # as whom it does not run
            as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            for path in (folder, configuration):
                shutil.chown(path, "postgres", "postgres")
        process = subprocess.Popen([*as_user, program, "--quiet", str(configuration)])
        try:
            yield url.set(port=port).render_as_string(hide_password=False)
        finally:
            process.terminate()
            process.wait()


def test_jobs_run_behind_pgbouncer_in_session_mode(tmp_path: Path, postgres: Postgres) -> None:
    url = sqlalchemy.make_url(postgres.database())
    with pgbouncer(url) as through, running(tmp_path, database_url=through) as service:
        job = service.wait_for(service.train(**SMALL))
        assert job["status"] == "succeeded"
