"""Predictions by ours and by other model servers, all in the same run.

    python -m benchmarks.peers [--quick] [--only NAME] [--json FILE]

A single triple, and 1,000 rows of a table: as objects to ours, by columns to the others. Every
server has one core, one process that predicts, the same ONNX file in the same version of ONNX
Runtime with one thread, and neither access log nor metrics where it can do without. Their
environments are made in `.venv-peers`.
"""

import os
import subprocess
import tempfile
import venv
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import httpx
import numpy as np
import onnx
import typer

from benchmarks.load import Cores, Load, Request, compare, console, two_cores
from benchmarks.peer_services import PEERS, SESSION, Inputs, Peer, mlserver_settings
from benchmarks.rows import columns, expected_of_rows, network, publish_rows, rows_request
from benchmarks.servers import ROOT, bare, first_answer, free_port, ours, publish_truth, serving
from benchmarks.servers import truth as true_function
from benchmarks.serving import CONNECTIONS, Fields, predict_request, report
from benchmarks.table import table
from models.data import synthetic_triples, target
from service.predict.formats.question import Predictions
from service.registry.versions import Registry

ENVIRONMENTS = ROOT / ".venv-peers"
REQUIREMENTS = Path(__file__).with_name("peers-requirements.txt")

ROWS = 1_000

US = "crosscheck"


class Subject(NamedTuple):
    """What all servers are asked about: a graph, its inputs, and what comes of them."""

    name: str
    graph: onnx.ModelProto
    inputs: Inputs
    request: Request
    """To ours."""
    expected: Predictions


def main(
    quick: Annotated[bool, typer.Option("--quick", help="One short run of each.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Of the others; repeat it.")] = None,
    to: Annotated[Path | None, typer.Option("--json", help="Where to write the figures.")] = None,
) -> None:
    """Measure predictions of LitServe, BentoML and MLServer beside ours."""
    runs, seconds = (1, 1) if quick else (3, 3)
    installed = [peer for peer in PEERS if peer.name in (only or peer.name) and install(peer.name)]
    load_before = os.getloadavg()
    cores = two_cores()
    with tempfile.TemporaryDirectory() as name:
        artifacts = Path(name, "artifacts")
        publish_truth(Registry(artifacts))
        publish_rows(artifacts)
        triples = synthetic_triples(1, seed=42).features
        subjects = (
            Subject(
                "single triples",
                true_function(),
                {"features": triples.tolist()},
                predict_request("json", 1),
                target(triples),
            ),
            Subject(
                f"{ROWS:,} rows of 10 columns",
                network(),
                columns(ROWS),
                rows_request(ROWS),
                expected_of_rows(artifacts, ROWS),
            ),
        )
        figures = {
            subject.name: measure(subject, artifacts, installed, cores, runs, seconds)
            for subject in subjects
        }
    report(figures, load_before, to)


def measure(
    subject: Subject,
    artifacts: Path,
    peers: Sequence[Peer],
    cores: Cores,
    runs: int,
    seconds: int,
) -> Fields:
    """Prints how fast each server answers one question, asked over and over."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        # As many large requests at once as there are connections: none is to be refused.
        url = stack.enter_context(ours(artifacts, cores, CROSSCHECK_MAX_LARGE_REQUESTS="32"))
        answer = first_answer(url, subject.request)
        check(subject, answer.json()["predictions"])
        servers = {
            "bare uvicorn": (stack.enter_context(bare(answer, cores)), subject.request),
            US: (url, subject.request),
        }
        for peer in peers:
            request = peer.request(subject.inputs)
            try:
                url = stack.enter_context(running(peer, subject, Path(name, peer.name), cores))
                answer = first_answer(url, request).raise_for_status()
                check(subject, peer.predictions(answer.json()))
                servers[peer.name] = (url, request)
            except (RuntimeError, httpx.HTTPError) as error:
                console.print(f"{peer.name} is left out: {error}")
        alone, together = (
            compare(servers, cores, connections, runs, seconds) for connections in CONNECTIONS
        )
    print_loads(subject.name, alone, together)
    return {
        name: {"1_connection": alone[name]._asdict(), "32_connections": together[name]._asdict()}
        for name in servers
    }


def print_loads(subject: str, alone: dict[str, Load], together: dict[str, Load]) -> None:
    """A line for each server, with one connection and with 32."""
    printed = table(
        f"{subject} × connections",
        *("requests/s\n× 32", "p50 ms\n× 32", "p50 ms\n× 1"),
        *("ours faster\nrequests/s", "ours faster\np50 × 1"),
    )
    for name, many in together.items():
        one = alone[name]
        printed.add_row(
            name,
            f"{many.requests_per_second:,.0f}",
            f"{many.p50_ms:.3f}",
            f"{one.p50_ms:.3f}",
            f"{together[US].requests_per_second / many.requests_per_second:.2f}×",
            f"{one.p50_ms / alone[US].p50_ms:.2f}×",
        )
    console.print(printed)


def install(name: str) -> bool:
    """Makes a peer's environment, unless it is as the requirements say already."""
    folder = ENVIRONMENTS / name
    marker = folder / "installed"
    if marker.exists() and marker.read_text() == REQUIREMENTS.read_text():
        return True
    console.print(f"Installing {name} in {folder.relative_to(ROOT)}")
    venv.create(folder, clear=True, with_pip=True)
    (ENVIRONMENTS / ".gitignore").write_text("*\n")
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    wanted = ["--constraint", str(REQUIREMENTS), name, "numpy", "onnxruntime", "uvloop"]
    done = subprocess.run([*pip, *wanted], capture_output=True, text=True, check=False)
    if done.returncode:
        console.print(f"{name} is left out, pip cannot install it: {done.stderr[-1000:]}")
        return False
    marker.write_text(REQUIREMENTS.read_text())
    return True


@contextmanager
def running(peer: Peer, subject: Subject, folder: Path, cores: Cores) -> Iterator[str]:
    """A peer that serves the graph of a subject."""
    folder.mkdir()
    onnx.save(subject.graph, folder / "model.onnx")
    port = free_port()
    files = {"session.py": SESSION, "settings.json": mlserver_settings(port), **peer.files}
    for name, text in files.items():
        (folder / name).write_text(text)
    program, *arguments = peer.command(port)
    command = [str(ENVIRONMENTS / peer.name / "bin" / program), *arguments]
    environment = {
        "PYTHONPATH": str(folder),
        "BENTOML_HOME": str(folder),
        "BENTOML_DO_NOT_TRACK": "true",
    }
    with serving(command, port, cores, environment, folder, peer.health) as url:
        yield url


def check(subject: Subject, predictions: list[float]) -> None:
    """Holds a server's answer against what is expected."""
    np.testing.assert_allclose(predictions, subject.expected, rtol=1e-6)


if __name__ == "__main__":
    typer.run(main)
