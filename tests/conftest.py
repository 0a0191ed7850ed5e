"""A real service for the tests that talk to one."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import hypothesis
import psutil
import pytest

from benchmarks.servers import publish_truth
from models.config import BASELINE_NAMES
from service.registry.versions import Registry
from tests.object_store import ObjectStore, running_store
from tests.postgres import Postgres
from tests.postgres import running as running_postgres

# As in the worker: least squares on small matrices is slow with more threads than one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# As in every process of the service: nobody is told of what runs here.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# Else each of a hundred services compiles all of our sources.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell has what it runs in the background ignore Ctrl-C, and so would what tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Neither a proxy nor anybody's own settings are to come between the tests and their service.
for name in list(os.environ):
    if name.lower().endswith("_proxy") or re.match("CROSSCHECK_(?!TEST_)", name):
        del os.environ[name]

# A busy machine takes its time.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

SMALL: dict[str, Any] = {
    "dataset": {"size": 2000},
    "epochs": 3,
    "batch_size": 200,
    "baselines": [],
}
"""A job of a second."""

WITH_BASELINES: dict[str, Any] = {**SMALL, "baselines": BASELINE_NAMES}
"""The same beside all baselines, as if it did not say which."""

LONG: dict[str, Any] = {"dataset": {"size": 100_000}, "epochs": 10_000}
"""A job that runs until it is stopped."""

WAIT_SECONDS = 120.0

LEAST_PAUSE, LONGEST_PAUSE = 0.02, 0.2
"""Between two looks, in seconds: who looks without a pause keeps a core from what it waits for."""

CROSSCHECK = str(Path(sys.executable).with_name("crosscheck"))
"""The command, as it is installed."""

T = TypeVar("T")


def gone(process: psutil.Process) -> bool:
    """Whether a process has ended, whether or not its parent has taken notice."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def arguments(process: psutil.Process) -> list[str]:
    """The command line of a process; empty if it has just ended."""
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        return []


def peak_memory(process: psutil.Process) -> int:
    """The most that a process ever held, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    kilobytes = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return 1024 * int(kilobytes[0])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow cases come first, so that no process is left alone with one at the end."""
    long = {"slow", "faults", "machines"}
    slow = {item.path for item in items if any(mark.name in long for mark in item.iter_markers())}
    items.sort(key=lambda item: item.path not in slow)


class Service:
    """A running `crosscheck serve`, its processes and a client for it."""

    def __init__(
        self, folder: Path, *options: str, launcher: Sequence[str] = (), **settings: str
    ) -> None:
        self.launcher = launcher  # a command that becomes the one that stands behind it
        self.artifacts = folder / "artifacts"
        self.log = folder / "service.log"
        self.options = options
        self.settings = settings
        self.start()

    def start(self, port: int | None = None) -> None:
        """Starts it, by default on a free port, and waits until it answers."""
        if port is None:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
        environment = {
            **os.environ,
            "CROSSCHECK_ARTIFACTS_DIR": str(self.artifacts),
            **{f"CROSSCHECK_{name.upper()}": value for name, value in self.settings.items()},
        }
        command = [*self.launcher, CROSSCHECK, "serve", "--port", str(port), *self.options]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        self.until(self.answers)

    def answers(self) -> bool:
        """Whether the API answers."""
        try:
            return self.client.get("/livez", timeout=2).status_code == 200
        except httpx.TransportError:
            assert self.process.poll() is None, self.log.read_text()
            return False

    def stop(self) -> int:
        """Stops it as an operator would; returns its exit status."""
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)

    def kill_all(self) -> None:
        """Kills every process of it, as a power cut would."""
        everybody = [*self.descendants(), psutil.Process(self.process.pid)]
        for process in everybody:
            process.kill()
        self.process.wait(10)
        self.until(lambda: all(map(gone, everybody)))
        self.client.close()

    def descendants(self) -> list[psutil.Process]:
        """All its processes but the supervisor."""
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found

    def find(self, role: str) -> psutil.Process:
        """The API process or the worker, by its name on the command line."""
        return next(process for process in self.descendants() if role in arguments(process))

    def child(self) -> psutil.Process:
        """The process that trains the running job: the fork server's child."""
        return self.until(
            lambda: next(
                (
                    grandchild
                    for process in self.find("worker").children()
                    for grandchild in process.children()
                ),
                None,
            )
        )

    def until(
        self,
        condition: Callable[[], T],
        seconds: float = WAIT_SECONDS,
        longest_pause: float = LONGEST_PAUSE,
    ) -> T:
        """Waits for something that happens in another process; returns it."""
        deadline, pause = time.monotonic() + seconds, LEAST_PAUSE
        while not (result := condition()):
            assert time.monotonic() < deadline, f"waited in vain\n{self.log.read_text()[-5000:]}"
            time.sleep(pause)
            pause = min(1.2 * pause, longest_pause)
        return result

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON behind a path."""
        response = self.client.get(path, params=parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def train(self, **config: Any) -> str:
        """Posts a job; returns its id."""
        response = self.client.post("/train", json=config)
        assert response.status_code == 202, response.text
        job_id: str = response.json()["id"]
        return job_id

    def wait_for(self, job_id: str, *statuses: str) -> dict[str, Any]:
        """Waits until a job has one of these statuses, by default until it has ended."""
        statuses = statuses or ("succeeded", "failed", "cancelled")

        def reached() -> dict[str, Any] | None:
            job: dict[str, Any] = self.get(f"/jobs/{job_id}")
            return job if job["status"] in statuses else None

        job = self.until(reached)
        assert job is not None
        return job

    def wait_for_progress(self, job_id: str) -> None:
        """Waits until a job is in the midst of training."""
        self.until(lambda: self.get(f"/jobs/{job_id}")["progress"])

    def wait_until_it_predicts(self) -> None:
        """Waits until a version answers."""
        self.until(lambda: self.client.get("/readyz").json()["serving"])

    def predict(self, *instances: Any, **choice: Any) -> dict[str, Any]:
        """Predicts rows."""
        response = self.client.post("/predict", json={"instances": list(instances), **choice})
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer


@contextmanager
def running(
    folder: Path, *options: str, launcher: Sequence[str] = (), **settings: str
) -> Iterator[Service]:
    """A service with its artifacts in `folder`; every process of it is gone afterwards."""
    service = Service(folder, *options, launcher=launcher, **settings)
    try:
        yield service
    finally:
        service.client.close()
        if service.process.poll() is None:
            service.kill_all()


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """One S3 store for all tests; each has a prefix of its own. This process finds it, too."""
    with (
        running_store(tmp_path_factory.mktemp("objects")) as store,
        pytest.MonkeyPatch.context() as p,
    ):
        for name, value in store.environment.items():
            p.setenv(name, value)
        yield store


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def database_url(postgres: Postgres) -> str:
    """An empty database."""
    return postgres.database()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests that neither break it nor mind what others trained on it."""
    with running(tmp_path_factory.mktemp("service")) as shared:
        yield shared


@pytest.fixture(scope="session")
def trained(service: Service) -> dict[str, Any]:
    """A job of that service that has published both networks, beside all baselines."""
    job = service.wait_for(service.train(**WITH_BASELINES))
    assert job["status"] == "succeeded", job
    return job


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder for a service that has a version of the cross network, which nobody has trained."""
    publish_truth(Registry(tmp_path / "artifacts"))
    return tmp_path


@pytest.fixture(scope="module", params=["", "/crosscheck"], ids=["at the root", "below a path"])
def locked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, str]]:
    """A service that asks for keys, and its root path."""
    settings = {"api_keys": "me:admin:0123456789abcdef", "root_path": request.param}
    with running(tmp_path_factory.mktemp("locked"), "--no-worker", **settings) as service:
        yield service, request.param
