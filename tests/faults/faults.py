"""Everything that strikes the service: each fault returns when it is over."""

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from models.config import COMPARED
from tests.conftest import gone
from tests.faults.disks import fill_disk, make_read_only
from tests.faults.scene import Scene
from tests.faults.victims import fork_servers, processes, readers, trainers


def kill_child(scene: Scene) -> None:
    """SIGKILL for the process that trains; there may be none at the moment."""
    _kill(scene.at_its_moment(lambda: trainers(scene.service)))


def kill_fork_server(scene: Scene) -> None:
    """SIGKILL for the process that children are forked from."""
    _kill(scene.at_its_moment(lambda: fork_servers(scene.service)))


def kill_worker(scene: Scene) -> None:
    """SIGKILL for the worker."""
    _kill(scene.at_its_moment(lambda: processes(scene.service, "worker")))


def kill_api(scene: Scene) -> None:
    """SIGKILL for an API process."""
    _kill([scene.random.choice(scene.at_its_moment(lambda: processes(scene.service, "api")))])


def kill_reader(scene: Scene) -> None:
    """SIGKILL for the process that reads an upload."""
    deadline = time.monotonic() + 3
    while not (victims := readers(scene.service)) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(scene.random.uniform(0, 0.4))
    _kill(victims)


def kill_supervisor(scene: Scene) -> None:
    """SIGKILL for the parent of all, which ends the others too; then a new start."""
    everybody = scene.at_its_moment(scene.service.descendants)
    scene.service.process.kill()
    scene.service.process.wait()
    scene.service.until(lambda: all(map(gone, everybody)))
    scene.service.client.close()
    scene.start()


def kill_group(scene: Scene) -> None:
    """SIGKILL for every process at once, as in a power cut; then a new start."""
    _kill(scene.at_its_moment(scene.service.descendants))
    scene.service.kill_all()
    scene.start()


def restart(scene: Scene) -> None:
    """SIGTERM, as an operator stops the service; then a new start."""
    scene.wait()
    assert scene.service.stop() == 0
    scene.start()


def pause_worker(scene: Scene) -> None:
    """SIGSTOP for the worker, and SIGCONT after a while."""
    for worker in scene.at_its_moment(lambda: processes(scene.service, "worker")):
        worker.send_signal(signal.SIGSTOP)
        try:
            scene.last()
        finally:
            worker.send_signal(signal.SIGCONT)


def lock_database(scene: Scene) -> None:
    """Another program holds the job database for itself."""
    path = scene.service.artifacts / "jobs.sqlite"
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as database:
        scene.wait()
        database.execute("BEGIN EXCLUSIVE")
        scene.last()
        database.execute("ROLLBACK")


def truncate_file(scene: Scene) -> None:
    """A file of a published version loses its end."""
    scene.wait()
    path = _file_of_a_version(scene)
    os.truncate(path, scene.random.randrange(path.stat().st_size))


def flip_byte(scene: Scene) -> None:
    """A byte in a file of a published version changes."""
    scene.wait()
    _flip_a_byte(scene)


def rot_byte(scene: Scene) -> None:
    """A byte changes and the file's times do not, as on a bad disk; noticed at the next start."""
    _kill(scene.at_its_moment(scene.service.descendants))
    scene.service.kill_all()
    before = {path: path.stat() for folder in scene.expendable for path in folder.rglob("*")}
    _flip_a_byte(scene)
    for path, status in before.items():
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    scene.start()


def truncate_pointer(scene: Scene) -> None:
    """The file that says which version serves loses its end."""
    scene.wait()
    path = scene.service.artifacts / "triples" / scene.random.choice(COMPARED) / "serving.json"
    os.truncate(path, scene.random.randrange(path.stat().st_size))


@dataclass(frozen=True)
class Fault:
    """A fault, and what may come of it."""

    strike: Callable[[Scene], None]
    spares_the_api: bool = True
    may_fail_jobs: bool = False

    @property
    def name(self) -> str:
        """What it is called."""
        return self.strike.__name__


FAULTS = [
    Fault(kill_child, may_fail_jobs=True),
    Fault(kill_fork_server),
    Fault(kill_worker),
    Fault(kill_api),  # there is another one, or the supervisor keeps the socket open
    Fault(kill_reader),
    Fault(kill_supervisor, spares_the_api=False),
    Fault(kill_group, spares_the_api=False),
    Fault(restart, spares_the_api=False),
    Fault(pause_worker),
    Fault(lock_database),
    Fault(truncate_file),
    Fault(flip_byte),
    Fault(rot_byte, spares_the_api=False),
    Fault(truncate_pointer),
    Fault(fill_disk, may_fail_jobs=True),
    Fault(make_read_only, may_fail_jobs=True),
]


def _kill(victims: list[psutil.Process]) -> None:
    for process in victims:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _file_of_a_version(scene: Scene) -> Path:
    folder = scene.random.choice(scene.expendable)
    scene.damaged.add(folder)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]
    return scene.random.choice(files)


def _flip_a_byte(scene: Scene) -> None:
    path = _file_of_a_version(scene)
    with path.open("r+b") as file:
        place = scene.random.randrange(path.stat().st_size)
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ scene.random.randrange(1, 256)]))
