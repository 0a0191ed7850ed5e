"""Uploads that are cut short: no table is stored in part, and none is lost."""

import socket
import struct
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import httpx
import psutil
import pytest

from tests.conftest import Service, arguments, gone, running
from tests.faults.disks import small_disk
from tests.http.raw import connect, parse, read_all, request

pytestmark = pytest.mark.slow

SMALL_TABLE = b"rooms,price\n3,310\n2,240\n4,420\n"

HEAD = request("PUT /datasets/large?target=price", "Content-Length: 500000000")


def large_table(rows: int) -> bytes:
    """A table of 12 columns and about 100 bytes a row, which takes a while to be read."""
    random = Random(0)  # noqa: S311
    head = ",".join(f"x{column}" for column in range(11)) + ",price\n"
    some = "".join(
        ",".join(f"{random.random():.6f}" for _ in range(12)) + "\n" for _ in range(1000)
    )
    return (head + some * (rows // 1000)).encode()


def put(service: Service, name: str, content: Any = SMALL_TABLE) -> httpx.Response:
    return service.client.put(f"/datasets/{name}?target=price", content=content)


def readers(service: Service) -> list[psutil.Process]:
    """The processes that read uploads."""
    return [each for each in service.descendants() if "service.tables.reader" in arguments(each)]


def staged(service: Service) -> list[Path]:
    return list((service.artifacts / ".datasets" / ".staging").iterdir())


def everything_is_whole(service: Service, *names: str) -> None:
    """These tables are there as they were published, and nothing else is."""
    listed = [each["name"] for each in service.get("/datasets")["datasets"]]
    assert listed == sorted([*names, "triples"])
    assert sorted(path.name for path in (service.artifacts / ".datasets").iterdir()) == sorted(
        [*names, ".staging"]
    )
    for manifest in (service.artifacts / ".datasets").rglob("manifest.sha256"):
        command = ["sha256sum", "--check", manifest.name]
        subprocess.run(command, cwd=manifest.parent, check=True, capture_output=True)


def test_killing_the_api_as_bytes_come_leaves_nothing_behind(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker") as service:
        assert put(service, "small").status_code == 201
        with connect(service) as connection:
            connection.sendall(HEAD + SMALL_TABLE + b"1,1\n" * 1_000_000)
            service.until(lambda: any(path.stat().st_size for path in _uploads(service)))
            service.find("api").kill()
            service.until(service.answers)
        service.until(lambda: not staged(service))
        everything_is_whole(service, "small")
        assert put(service, "large").status_code == 201


def _uploads(service: Service) -> list[Path]:
    return list((service.artifacts / ".datasets" / ".staging").glob("*/upload"))


@pytest.mark.parametrize("everything", [False, True])
def test_killing_the_api_as_it_has_a_table_read_ends_the_reader(
    tmp_path: Path, everything: bool
) -> None:
    with running(tmp_path, "--no-worker") as service:
        assert put(service, "small").status_code == 201
        content = large_table(300_000)
        head = request("PUT /datasets/large?target=price", f"Content-Length: {len(content)}")
        with connect(service) as connection:
            connection.sendall(head + content)
            reading = service.until(lambda: readers(service))
            if everything:
                service.kill_all()
            else:
                service.find("api").kill()
            service.until(lambda: all(map(gone, reading)), seconds=5)
            if everything:
                service.start()
        service.until(service.answers)
        service.until(lambda: not staged(service))
        everything_is_whole(service, "small")
        assert put(service, "large", content).status_code == 201
        everything_is_whole(service, "small", "large")


def test_a_reader_that_is_killed_is_the_files_fault_and_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker") as service:
        content = large_table(300_000)
        head = request("PUT /datasets/large?target=price", f"Content-Length: {len(content)}")
        with connect(service) as connection:
            connection.sendall(head + content)
            for reader in service.until(lambda: readers(service)):
                reader.kill()
            connection.sendall(request("GET /livez", "Connection: close"))
            answer, _ = parse(read_all(connection))
        assert answer.status == 422
        assert b"SIGKILL" in answer.body
        assert staged(service) == []
        everything_is_whole(service)


def test_a_client_that_leaves_ends_its_reader(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker", max_uploads="1") as service:
        content = large_table(300_000)
        head = request("PUT /datasets/large?target=price", f"Content-Length: {len(content)}")
        with connect(service) as connection:
            connection.sendall(head + content)
            (reader,) = service.until(lambda: readers(service))
            # Without it, the client has only ended its side, and may wait for the answer.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        service.until(lambda: gone(reader), seconds=5)
        service.until(lambda: not staged(service))
        everything_is_whole(service)
        assert put(service, "large").status_code == 201


def test_a_service_that_stops_ends_its_readers(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker") as service:
        content = large_table(1_000_000)
        head = request("PUT /datasets/large?target=price", f"Content-Length: {len(content)}")
        with connect(service) as connection:
            connection.sendall(head + content)
            (reader,) = service.until(lambda: readers(service))
            reader.suspend()  # it will take longer than the service waits
            assert service.stop() == 0
        assert gone(reader)
        service.start()
        service.until(lambda: not staged(service))
        everything_is_whole(service)


def test_a_full_disk_is_503_and_room_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    with small_disk(folder) as is_small, running(tmp_path, "--no-worker") as service:
        if not is_small:
            pytest.skip("no file system can be mounted here")
        refused = put(service, "large", b"rooms,price\n" + b"3,310\n" * 12_000_000)
        assert refused.status_code == 503, refused.text
        assert "No space left" in refused.json()["detail"]
        assert "Retry-After" in refused.headers
        assert staged(service) == []
        assert put(service, "small").status_code == 201
        everything_is_whole(service, "small")
