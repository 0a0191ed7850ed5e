"""All machines: Postgres, an object store, two APIs behind a balancer, and workers."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import psycopg

from tests import object_store, postgres
from tests.conftest import CROSSCHECK, Service
from tests.machines.clock import clock
from tests.machines.machine import Machine, running
from tests.machines.network import Host, network
from tests.object_store import ObjectStore
from tests.postgres import Postgres

PORT = 8000

PLACE = Path("/var/tmp")  # noqa: S108
"""Where their folders are: not in /tmp, for each machine has its own."""

FOLDER = "crosscheck-machines-"
"""And the id of the process whose they are."""

KEPT = "crosscheck-broken-round-"
"""Begins the folders of logs that are kept."""

START_SECONDS = 240.0
"""For workers to be ready, on a busy machine."""

ENOUGH_WORKERS = 2
"""One may be struck then; others may still be starting."""

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "haproxy.cfg"

WRONG_CLOCKS = {"api1": "-1h", "worker0": "+1h"}
"""How far they are off."""

SETTINGS = {
    "STALENESS_SECONDS": "2",
    "BALANCER_SECONDS": "3",
    "ACCESS_LOG": "false",
    "MAX_REVISIONS": "1000",
    "HOST": "0.0.0.0",  # noqa: S104
    "INSECURE": "true",
}


class Front(Service):
    """What clients see: one address, behind which there are some APIs."""

    def __init__(self, host: str, log: Path) -> None:
        self.log = log
        self.client = httpx.Client(base_url=f"http://{host}:{PORT}", timeout=20)

    def is_ready(self, subject: str = "predictions") -> bool:
        """Whether an API that is asked says so."""
        try:
            answer = self.client.get("/readyz", params={"for": subject}, timeout=3)
        except httpx.TransportError:
            return False
        return answer.status_code == 200


@dataclass
class Fleet:
    """The machines, and what clients see of them."""

    hosts: dict[str, Host]
    database: Postgres
    database_url: str
    store: ObjectStore
    store_url: str
    apis: list[Machine]
    workers: list[Machine]
    front: Front
    doors: list[Front]
    """The APIs one by one, past the balancer."""

    def heal(self) -> None:
        """Connects all again, and starts what has died."""
        for host in self.hosts.values():
            host.heal()
        for machine in (*self.apis, *self.workers):
            machine.start_if_dead()

    def wait_until_ready(self) -> None:
        """Returns when each API is of use, and so many workers that one may be struck.

        Workers that end themselves are started again.
        """
        enough = min(ENOUGH_WORKERS, len(self.workers))

        def all_ready() -> bool:
            self.heal()
            time.sleep(0.3)
            ready = [worker for worker in self.workers if worker.worker()]
            return len(ready) >= enough and all(map(Front.is_ready, (*self.doors, self.front)))

        self.front.until(all_ready, START_SECONDS)

    def keep_logs(self) -> Path:
        """Copies them, and what is known of jobs, to a folder that stays, and returns it."""
        folder = Path(tempfile.mkdtemp(prefix=KEPT, dir=PLACE))
        for machine in (*self.apis, *self.workers):
            shutil.copyfile(machine.log, folder / machine.folder.name)
        shutil.copyfile(self.front.log, folder / "balancer")
        with self.connect() as connection, (folder / "jobs.csv").open("wb") as file:
            question = "COPY (SELECT * FROM dbos.workflow_status ORDER BY created_at) TO STDOUT"
            with connection.cursor().copy(f"{question} CSV HEADER") as rows:
                for row in rows:
                    file.write(row)
        return folder

    def connect(self) -> psycopg.Connection:
        """A session of the job database, which gives up soon."""
        return psycopg.connect(
            self.database_url,
            connect_timeout=2,
            autocommit=True,
            options="-c statement_timeout=2000",
            tcp_user_timeout=2000,
        )


def _remove_what_is_left() -> None:
    """Folders of processes that were killed; what ran for them is gone with their network."""
    for folder in PLACE.glob(f"{FOLDER}*"):
        if not psutil.pid_exists(int(folder.name.removeprefix(FOLDER).partition("-")[0])):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fleet(
    apis: int = 2,
    workers: int = 3,
    options: tuple[str, ...] = (),
    clocks: Mapping[str, str] | None = None,
    own_cores: bool = False,
) -> Iterator[Fleet]:
    """Starts all; everything is gone afterwards.

    Args:
        options: More of them for `crosscheck serve`.
        clocks: How far those of some machines are off.
        own_cores: Whether each worker has a core, which it shares with all but other workers.
    """
    with (
        network() as net,
        tempfile.TemporaryDirectory(prefix=f"{FOLDER}{os.getpid()}-", dir=PLACE) as path,
    ):
        _remove_what_is_left()
        folder = Path(path)
        names = [
            *("postgres", "store", "balancer"),
            *(f"api{number}" for number in range(apis)),
            *(f"worker{number}" for number in range(workers)),
        ]
        hosts = {name: net.host(name) for name in names}
        data = folder / "store"
        data.mkdir()
        with (
            postgres.running(hosts["postgres"].address, hosts["postgres"].inside) as database,
            object_store.running_store(
                data, hosts["store"].address, hosts["store"].inside
            ) as store,
            ExitStack() as stack,
        ):
            database_url, store_url = database.database(), store.url("fleet")
            environment = {
                **store.environment,
                "CROSSCHECK_DATABASE_URL": database_url,
                "CROSSCHECK_STORE_URL": store_url,
                **{f"CROSSCHECK_{name}": value for name, value in SETTINGS.items()},
            }
            cores = {
                f"worker{number}": ["taskset", "--cpu-list", str(number)]
                for number in range(workers if own_cores else 0)
            }
            of_clocks = {name: clock(off) for name, off in (clocks or {}).items()}
            serve = [CROSSCHECK, "serve", "--no-worker", *options]

            def machines(kind: str, command: list[str], **more: str) -> list[Machine]:
                return [
                    stack.enter_context(
                        running(
                            host,
                            folder / name,
                            [*cores.get(name, []), *command],
                            {**environment, **more, **of_clocks.get(name, {})},
                        )
                    )
                    for name, host in hosts.items()
                    if name.startswith(kind)
                ]

            started = machines("api", serve)
            ends = [f"{each.host.address}:{PORT}" for each in (started[0], started[-1])]
            (balancer,) = machines(
                "balancer",
                ["haproxy", "-db", "-f", str(CONFIGURATION)],
                LISTEN=f":{PORT}",
                API_1=ends[0],
                API_2=ends[1],
            )
            front = Front(balancer.host.address, balancer.log)
            doors = [Front(each.host.address, each.log) for each in started]
            for each in (front, *doors):
                stack.callback(each.client.close)
            yield Fleet(
                hosts=hosts,
                database=database,
                database_url=database_url,
                store=store,
                store_url=store_url,
                apis=started,
                workers=machines("worker", [CROSSCHECK, "worker"]),
                front=front,
                doors=doors,
            )
