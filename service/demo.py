"""`crosscheck demo`: the main job over HTTP, with the call of each step shown."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from service.settings import Settings, is_loopback

TRIPLES = [[0.5, 0.5, 0.5], [0.1, 0.2, 0.3], [0.9, 0.0, 0.7]]

BEST = {"preset": "best"}

SPLITS = ("train_rmse", "eval_rmse")

START_SECONDS = 30.0

console = Console(highlight=False)


def run(url: str | None, api_key: str | None, settings: Settings) -> None:
    """Runs the demo against the service at `url`, or one started for it, which asks for no key."""
    if url is None:
        with _service(settings) as started:
            _demonstrate(started, {})
        return
    try:
        _demonstrate(url.rstrip("/"), {"X-API-Key": api_key} if api_key else {})
    # The last two: of a proxy that the environment names, and that httpx does not take.
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, ImportError) as error:
        console.print(f"'{url}' cannot be asked: {error}", markup=False, soft_wrap=True)
        raise SystemExit(1) from None


def _demonstrate(url: str, headers: dict[str, str]) -> None:
    # No proxy can reach this machine under the names by which it calls itself.
    proxied = not is_loopback(httpx.URL(url).host)
    with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=proxied) as client:
        console.print("\nThe experiment, as it was published:")
        _show(f"curl -X POST {url}/train")
        _train(client, None)

        console.print("The same data, the best recipe:")
        _show(f"curl {url}/train -H 'Content-Type: application/json' -d '{json.dumps(BEST)}'")
        _train(client, BEST)

        body = json.dumps({"instances": TRIPLES})
        _show(f"curl {url}/predict -H 'Content-Type: application/json' -d '{body}'")
        answer = _answer(client.post("/predict", json={"instances": TRIPLES}))
        console.print(_prediction_table(answer))


def _train(client: httpx.Client, config: dict[str, Any] | None) -> None:
    """Trains both networks and prints their comparison."""
    url = str(client.base_url).rstrip("/")
    job = _answer(client.post("/train", json=config) if config else client.post("/train"))

    _show(f"curl -N {url}/jobs/{job['id']}/events")
    job = _follow(client, job["id"])
    if job["status"] != "succeeded":
        console.print(f"The job {job['status']}: {job['error']}")
        raise SystemExit(1)

    _show(f"curl '{url}/metrics?job_id={job['id']}'")
    comparison = _answer(client.get("/metrics", params={"job_id": job["id"]}))
    console.print(_comparison_table(comparison["models"]))


def _follow(client: httpx.Client, job_id: str) -> dict[str, Any]:
    """Draws a progress bar until the job has ended; returns the job."""
    job: dict[str, Any] = {}
    columns = (
        TextColumn("{task.description:>8}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task("job", total=None, state="queued")
        for event in _events(client, job_id):
            job = event
            bars.update(bar, state=job["status"])
            if progress := job["progress"]:
                bars.update(
                    bar,
                    description=progress["model"],
                    total=progress["epochs"],
                    completed=progress["epoch"],
                    state=f"epoch {progress['epoch']} of {progress['epochs']}, "
                    f"loss {progress['loss']:.3g}",
                )
        bars.update(bar, state=job["status"], total=1, completed=job["status"] == "succeeded")
    return job


def _events(client: httpx.Client, job_id: str) -> Iterator[dict[str, Any]]:
    with client.stream("GET", f"/jobs/{job_id}/events") as response:
        for line in response.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


def _comparison_table(rows: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("", "parameters", "train RMSE", "eval RMSE"):
        table.add_column(heading, no_wrap=True)
    table.add_column("version")
    for name, row in rows.items():
        table.add_row(
            name,
            str(row["parameters"]),
            *(f"{row[split]:.{15 if name == 'mean' else 10}g}" for split in SPLITS),
            _standing(row),
        )
    return table


def _standing(row: dict[str, Any]) -> str:
    if "version" not in row:
        return ""
    return f"{row['version']}, {'serving' if row['serving'] else row['refused']}"


def _prediction_table(answer: dict[str, Any]) -> Table:
    table = Table(
        "triple", "true", f"{answer['model']}, version {answer['version']}", box=box.SIMPLE_HEAD
    )
    for (x0, x1, x2), prediction in zip(TRIPLES, answer["predictions"], strict=True):
        true = x0**2 + x0 * x1 + x1 * x2 + x2**2
        table.add_row(f"{x0}, {x1}, {x2}", f"{true:.6f}", f"{prediction:.6f}")
    return table


def _show(call: str) -> None:
    console.print(f"\n[bold]$[/bold] {call}", soft_wrap=True)


def _answer(response: httpx.Response) -> dict[str, Any]:
    if response.is_error:
        console.print(f"{response.status_code}: {response.text}")
        raise SystemExit(1)
    answer: dict[str, Any] = response.json()
    return answer


@contextmanager
def _service(settings: Settings) -> Iterator[str]:
    """Runs `crosscheck serve` on a free port while the context is open."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = settings.artifacts_dir / "demo.log"
    command = [sys.executable, "-m", "service", "serve", "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    console.print(f"Starting a service on {url}; its log is {log}")
    with log.open("w") as file:
        environment = {**os.environ, "CROSSCHECK_API_KEYS": ""}
        service = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        try:
            _wait_for(url, service)
            yield url
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait()


def _wait_for(url: str, service: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and service.poll() is None:
        try:
            httpx.get(f"{url}/livez", timeout=1, trust_env=False)
            return
        except httpx.TransportError:
            time.sleep(0.05)
    console.print("The service did not start; its log says why.")
    raise SystemExit(1)
