"""What may import what, and what the files that nothing runs here refer to."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def imported_by(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names |= {f"service.{a.name}" for a in node.names} if module == "service" else {module}
    return names


def modules_after(statement: str) -> set[str]:
    program = f"{statement}\nimport sys; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return set(output.split())


ROOMS = (
    *("http", "registry", "tables", "store", "jobs", "predict", "export", "protocols", "telemetry"),
    *("page", "api"),
)
"""Of `service/`, from the ground up: each imports only what stands before it."""

GROUND = {
    *("access", "access_log", "clock", "errors", "file_lock", "keys", "log_lines", "loopback"),
    *(
        "nearest",
        "objects",
        "origins",
        "platforms",
        "schemas",
        "settings",
        "single_flight",
        "taken_folder",
        "tracing",
    ),
}
"""The files of `service/` that rooms may import."""


LIGHT = ("ahead", "comparison", "config", "courses", "exactness", "losses", "schema", "verdicts")
"""The files of `models/` that also processes without TensorFlow import."""


@pytest.mark.parametrize("room", ROOMS)
def test_imports_between_rooms_go_one_way(room: str) -> None:
    below = {*ROOMS[: ROOMS.index(room)]} - (
        {"jobs"} if room in ("predict", "protocols") else set()
    )
    for file in (ROOT / "service" / room).rglob("*.py"):
        parts = {name.split(".")[1] for name in imported_by(file) if name.startswith("service.")}
        assert parts <= {room, *below, *GROUND}, file


def test_nothing_on_the_ground_imports_a_room() -> None:
    for name in GROUND:
        ours = {i for i in imported_by(ROOT / "service" / f"{name}.py") if i.startswith("service")}
        assert not {i for i in ours if i.split(".")[1] not in GROUND}, name


@pytest.mark.parametrize(
    "module", ["service.api.app", "service.jobs.worker", "service.cli", "service.supervisor"]
)
def test_no_process_but_the_trainer_imports_tensorflow(module: str) -> None:
    loaded = modules_after(f"import {module}")
    assert not loaded & {"tensorflow", "keras", "service.jobs.trainer"}


def test_what_sends_traces_is_imported_only_to_trace() -> None:
    loaded = modules_after("import service.api.app, service.jobs.worker")
    assert "service.tracing" in loaded
    assert not [name for name in loaded if name.startswith("opentelemetry.exporter")]


@pytest.mark.parametrize("module", ["service.supervisor", "service.tables.reader"])
def test_small_processes_load_nothing_heavy(module: str) -> None:
    assert not modules_after(f"import {module}") & {"fastapi", "dbos", "onnxruntime"}


def test_a_command_starts_without_what_only_a_server_or_a_request_needs() -> None:
    heavy = {"fastapi", "httpx", "numpy", "pydantic", "starlette", "service.settings"}
    assert not modules_after("import service.cli") & heavy
    server = {"fastapi", "numpy", "starlette", "service.settings"}
    assert not modules_after("import service.commands.asking") & server


def test_the_science_knows_nothing_of_the_service() -> None:
    for file in (ROOT / "models").rglob("*.py"):
        assert not [name for name in imported_by(file) if name.startswith("service")], file


IN_THE_CHILD = {
    *("trainer.py", "stage.py", "hands.py", "others.py", "packing.py", "linked_parquet.py"),
    *("helper.py", "looks.py", "work.py"),
}


def test_outside_the_child_the_service_imports_no_more_of_the_science_than_this() -> None:
    for file in (ROOT / "service").rglob("*.py"):
        if file.name not in IN_THE_CHILD:
            ours = {name for name in imported_by(file) if name.startswith("models")}
            assert ours <= {f"models.{name}" for name in LIGHT}, file


def test_nothing_but_the_settings_reads_the_environment() -> None:
    # Libraries take their flags from there, and Python its paths, and only from there.
    # A client's key is no setting of a service, and a client starts without pydantic.
    others = {"client.py", "compile_cache.py", "fork_server.py", "surroundings.py"}
    for file in (file for file in (ROOT / "service").rglob("*.py") if file.name not in others):
        assert not re.search(r"os\.(getenv|environ(\[| *\.get))", file.read_text()), file


def test_what_the_dockerfile_copies_and_runs_exists() -> None:
    text = (ROOT / "Dockerfile").read_text()
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
    stages = re.findall(r"^FROM \S+ AS (\w+)$", text, re.MULTILINE)
    assert {"serve", "train"} <= set(stages)
    assert set(re.findall(r"--from=(\w+)", text)) <= set(stages)
    commands = set(re.findall(r'"crosscheck", "(\w+)"', text))
    help_text = subprocess.run(
        [sys.executable, "-m", "service", "--help"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert commands
    for command in commands:
        assert command in help_text
