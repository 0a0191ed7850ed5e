"""A table in an object store that exceeds what a job may keep of it: memory, disk, and what a
second slot gains where its row groups are looked at by two.

    python -m benchmarks.linked_tables [--rows 1000000] [--files 8]
"""

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import from_url
from rich.console import Console

from tests.conftest import Service, peak_memory, running
from tests.object_store import running_store

FEATURES = 20
GROUP_ROWS = 25_000
WAIT_SECONDS = 1200.0
BOUND_BYTES = 2**24
"""For encoded rows."""

DESCENT: dict[str, Any] = {"models": ["cross"], "epochs": 1, "repeats": 1, "baselines": []}
EXACT: dict[str, Any] = {
    **DESCENT,
    "cross": {"layers": 2, "rank": 1},
    "optimizer": {"name": "levenberg_marquardt", "max_evaluations": 20},
}
PRODUCTS: dict[str, Any] = {**DESCENT, "baselines": ["products"]}

tell = Console().print


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=8)
    asked = parser.parse_args()
    tell(f"load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "objects").mkdir()
        with running_store(folder / "objects") as store:
            os.environ.update(store.environment)
            url = store.url("tables")
            size = _write(url, asked.rows, asked.files)
            encoded = asked.rows * 4 * (FEATURES + 1) / BOUND_BYTES
            tell(
                f"{asked.rows:,} rows of {FEATURES} numbers, {size / 2**20:.0f} MiB of Parquet; "
                f"encoded {encoded:.1f} times as much as a job may keep"
            )
            _measure(folder, url)
    tell(f"load {os.getloadavg()[0]:.1f}")


def _write(url: str, rows: int, files: int) -> int:
    objects = from_url(url, client_options={"allow_http": True})
    size = 0
    for number in range(files):
        draw = np.random.default_rng(number)
        columns = {f"x{index}": draw.normal(size=rows // files) for index in range(FEATURES)}
        y = columns["x0"] * columns["x1"] + columns["x2"] + draw.normal(size=rows // files) / 10
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({**columns, "y": y}), sink, row_group_size=GROUP_ROWS)
        content = sink.getvalue().to_pybytes()
        obstore.put(objects, f"{number}.parquet", content)
        size += len(content)
    return size


def _measure(folder: Path, url: str) -> None:
    seconds: dict[str, float] = {}
    # A core for each: one child alone would use both.
    for slots, launcher in (("1", ["taskset", "-c", "0"]), ("2", [])):
        artifacts = folder / slots
        artifacts.mkdir()
        settings = {"table_urls": url, "slots": slots, "table_memory_bytes": str(BOUND_BYTES)}
        with running(artifacts, launcher=launcher, **settings) as service:
            begun = time.perf_counter()
            made = service.client.put(
                "/datasets/large", params={"target": "y", "url": f"{url}/"}, timeout=600
            )
            assert made.status_code == 201, made.text
            if slots == "1":
                tell(f"read, checked and profiled in {time.perf_counter() - begun:.1f} s")
                small = _train(service, DESCENT | {"dataset": {"size": 1000}})
                for name, job in (("one epoch", DESCENT), ("products", PRODUCTS)):
                    took, most = _train(service, job)
                    tell(
                        f"{name}: {took:.1f} s; the job's process held {most / 2**20:.0f} MiB at "
                        f"most, one of 1,000 triples {small[1] / 2**20:.0f} MiB"
                    )
            seconds[slots], most = _train(service, EXACT)
            of = f"exact, {slots} at work, a core each"
            tell(f"{of}: {seconds[slots]:.1f} s, {most / 2**20:.0f} MiB at most")
            kept = sum(each.stat().st_size for each in _files(service) if each.suffix == ".rows")
            tell(f"rows kept on the disk: {kept}")
    tell(f"two looking at its row groups are {seconds['1'] / seconds['2']:.2f} times as fast")


def _files(service: Service) -> list[Path]:
    return [path for path in service.artifacts.rglob("*") if path.is_file()]


def _train(service: Service, job: dict[str, Any]) -> tuple[float, int]:
    """The seconds that a job takes from its start, and the most memory that its process held."""
    job_id = service.train(**{"dataset": {"kind": "table", "name": "large"}, **job})
    service.wait_for(job_id, "running", "succeeded", "failed")
    begun = time.perf_counter()
    with _watching(service) as most:
        ended = service.until(partial(_ended, service, job_id), WAIT_SECONDS)
    assert ended is not None
    assert ended["status"] == "succeeded", ended
    return time.perf_counter() - begun, max(most)


def _ended(service: Service, job_id: str) -> dict[str, Any] | None:
    job: dict[str, Any] = service.get(f"/jobs/{job_id}")
    return job if job["finished_at"] else None


@contextmanager
def _watching(service: Service) -> Iterator[list[int]]:
    most, ended = [0], threading.Event()
    child = service.child()

    def watch() -> None:
        while not ended.wait(0.05):
            try:
                most.append(peak_memory(child))
            except (OSError, IndexError):
                return

    thread = threading.Thread(target=watch)
    thread.start()
    yield most
    ended.set()
    thread.join()


if __name__ == "__main__":
    main()
