"""What an upload costs, against `pyarrow.csv` to Parquet of the same file in the same run.

    python -m benchmarks.uploads [--quick] [--json FILE]

The service also reads, checks and profiles every column. Meanwhile it answers single triples. The
load of that comes from `wrk` or `autocannon`, and the uploads beside it from `curl`: a client in
Python takes so much of two cores that it is the client which is measured.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from pyarrow import csv, parquet

from benchmarks.load import ANYWHERE, console, make_load
from benchmarks.servers import publish_truth
from benchmarks.serving import CONNECTIONS, Fields, predict_request, report
from benchmarks.table import table
from benchmarks.training import in_fresh_process
from service.registry.versions import Registry
from tests.conftest import Service, peak_memory, running

WORDS = (10, 100, 1000)
"""Of the columns of text."""

NUMBERS = 12
WHOLE = 4
MISSING = 0.01

TARGET = "price"

RESET_PEAK = "5"
"""What `/proc/…/clear_refs` takes for: forget the most memory that was ever held."""


def main(
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the rows, once.")] = False,
    to: Annotated[Path | None, typer.Option("--json", help="Where to write the figures.")] = None,
) -> None:
    """Measure the upload of a CSV of 1,000,000 rows and 20 columns."""
    if not shutil.which("curl"):
        raise SystemExit("curl is not installed: it must upload.")
    rows, runs, seconds = (100_000, 1, 2) if quick else (1_000_000, 3, 15)
    load_before = os.getloadavg()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "table.csv"
        in_fresh_process(write_table, file, rows)  # and what that needs of memory is given back
        publish_truth(Registry(folder / "artifacts"))
        with running(folder, "--no-worker") as service:
            put(service, file)  # to have imported what it needs
            figures = {
                "rows": rows,
                "bytes": file.stat().st_size,
                "upload": measure_upload(service, file, runs),
                "predict": measure_predict(service, file, seconds),
            }
    report(figures, load_before, to)


def write_table(file: Path, rows: int) -> None:
    """Writes a table of 20 columns as CSV: numbers, whole numbers, text, a target."""
    random = np.random.default_rng(42)
    columns = {}
    for number in range(NUMBERS):
        values = random.normal(size=rows).round(5)
        columns[f"number{number}"] = pa.array(values, mask=random.random(rows) < MISSING)
    for number in range(WHOLE):
        columns[f"whole{number}"] = pa.array(random.integers(0, 10_000, rows))
    for many in WORDS:
        words = pa.array([f"word {number}" for number in range(many)])
        columns[f"text{many}"] = words.take(pa.array(random.integers(0, many, rows)))
    columns[TARGET] = pa.array(random.normal(size=rows).round(5))
    csv.write_csv(pa.table(columns), file)


def convert(file: Path) -> float:
    """Seconds of pyarrow from CSV to Parquet, with all cores."""
    started = time.perf_counter()
    parquet.write_table(csv.read_csv(file), file.with_suffix(".parquet"))
    return time.perf_counter() - started


def put(service: Service, file: Path) -> float:
    """Seconds of an upload, until it is answered; the dataset is gone afterwards."""
    with file.open("rb") as body:
        started = time.perf_counter()
        answer = service.client.put(
            "/datasets/table", params={"target": TARGET}, content=body, timeout=None
        )
        seconds = time.perf_counter() - started
    assert answer.status_code == 201, answer.text
    assert service.client.delete("/datasets/table").status_code == 204
    return seconds


def measure_upload(service: Service, file: Path, runs: int) -> Fields:
    """Prints the time of an upload and how the API process grows by it."""
    api = service.find("api")
    plain, ours, grown = [], [], []
    for _ in range(runs):
        plain.append(in_fresh_process(convert, file))
        before = api.memory_info().rss
        Path(f"/proc/{api.pid}/clear_refs").write_text(RESET_PEAK)
        ours.append(put(service, file))
        grown.append(peak_memory(api) - before)
    ratio = median(ours) / median(plain)
    printed = table(
        f"CSV of {file.stat().st_size / 2**20:,.0f} MiB", "seconds", "to pyarrow", "API grows by"
    )
    printed.add_row("pyarrow.csv to Parquet", f"{median(plain):.2f}", "", "")
    printed.add_row(
        "upload", f"{median(ours):.2f}", f"{ratio:.2f}", f"{max(grown) / 2**20:.0f} MiB"
    )
    console.print(printed)
    return {"pyarrow_seconds": plain, "seconds": ours, "ratio": ratio, "grown_bytes": grown}


def measure_predict(service: Service, file: Path, seconds: int) -> list[Fields]:
    """Prints the latency of single triples without and beside uploads without a pause."""
    printed = table(
        "connections",
        "p50 ms",
        "p99 ms",
        "beside uploads\np50 ms",
        "beside uploads\np99 ms",
        "p99 ratio",
    )
    figures = []
    url, request = str(service.client.base_url).rstrip("/"), predict_request("json", 1)
    for connections in CONNECTIONS:
        alone = make_load(url, request, ANYWHERE, connections, seconds)
        with uploading(service, file):
            beside = make_load(url, request, ANYWHERE, connections, seconds)
        ratio = beside.p99_ms / alone.p99_ms
        printed.add_row(
            str(connections),
            *(f"{value:.3f}" for value in (*alone[1:], *beside[1:])),
            f"{ratio:.2f}",
        )
        figures.append(
            {
                "connections": connections,
                "alone": alone._asdict(),
                "beside_uploads": beside._asdict(),
                "p99_ratio": ratio,
            }
        )
    console.print(printed)
    return figures


@contextmanager
def uploading(service: Service, file: Path) -> Iterator[None]:
    """Uploads a table over and over; at the end the last one is awaited."""
    enough = Event()
    faults: list[Exception] = []

    url = f"{service.client.base_url}/datasets/table?target={TARGET}"
    command = ["curl", "--silent", "--show-error", "--fail", "--upload-file", str(file), url]

    def upload() -> None:
        try:
            while not enough.is_set():
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                service.client.delete("/datasets/table").raise_for_status()
        except Exception as error:
            faults.append(error)

    thread = Thread(target=upload)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()
    if faults:
        raise faults[0]


if __name__ == "__main__":
    typer.run(main)
