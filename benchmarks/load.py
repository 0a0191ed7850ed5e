"""Load on a server: made by `wrk` where it is installed, else by `autocannon` of npm."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.console import Console

# The widest table, also where the output is no terminal.
console = Console(highlight=False, width=110)


AUTOCANNON = "autocannon@8.0.0"


class Request(NamedTuple):
    """A request that is made over and over."""

    path: str
    headers: dict[str, str]
    body: bytes


class Load(NamedTuple):
    """What a server achieved under load."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float


class Cores(NamedTuple):
    """Where the server and the load run; None is anywhere."""

    server: int | None
    load: int | None


ANYWHERE = Cores(None, None)


def compare(
    servers: Mapping[str, tuple[str, Request]],
    cores: Cores,
    connections: int,
    runs: int,
    seconds: int,
) -> dict[str, Load]:
    """The median load of each server.

    They take turns, so that what else the machine does weighs on all alike.
    """
    loads: dict[str, list[Load]] = {name: [] for name in servers}
    for _ in range(runs):
        for name, (url, request) in servers.items():
            loads[name].append(make_load(url, request, cores, connections, seconds))
    return {name: Load(*map(median, zip(*ones, strict=True))) for name, ones in loads.items()}


WRK_SCRIPT = """
wrk.method = "POST"
wrk.body = io.open("body", "rb"):read("*a")
function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '\\n{"requests": %d, "microseconds": %d, "p50": %f, "p99": %f, "errors": %d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
"""


# The command of autocannon reads bodies as text and counts whole milliseconds; its module does not.
AUTOCANNON_SCRIPT = """
const fs = require("fs"), path = require("path")
const isThere = folder => fs.existsSync(path.join(folder, "autocannon"))
const commands = process.env.PATH.split(path.delimiter).find(isThere)
const autocannon = require(path.join(commands, "..", "autocannon"))
const options = JSON.parse(fs.readFileSync("options.json"))
const times = []
const load = autocannon({...options, body: fs.readFileSync("body")}, (fault, result) => {
  if (fault) throw fault
  times.sort((a, b) => a - b)
  const percentile = part => times[Math.floor(times.length * part)]
  console.log(JSON.stringify({
    requests: result["2xx"], seconds: result.duration, p50: percentile(0.5), p99: percentile(0.99),
    errors: result.errors + result.timeouts + result.non2xx
  }))
})
load.on("response", (client, status, bytes, milliseconds) => times.push(milliseconds))
"""


def make_load(url: str, request: Request, cores: Cores, connections: int, seconds: int) -> Load:
    """Makes a request for some seconds as fast as it is answered.

    Raises:
        RuntimeError: A request failed, or all did.
    """
    tool = wrk if shutil.which("wrk") else autocannon
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "body").write_bytes(request.body)
        load, errors = tool(url, request, Path(folder), cores, connections, seconds)
    if errors or not load.requests_per_second:
        raise RuntimeError(f"{url}{request.path}, {connections} connections: {errors} errors")
    return load


def wrk(
    url: str, request: Request, folder: Path, cores: Cores, connections: int, seconds: int
) -> tuple[Load, int]:
    """Load by `wrk` with the body in `folder`, and the number of errors."""
    headers = [
        f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}\n"
        for name, value in request.headers.items()
    ]
    (folder / "script.lua").write_text(WRK_SCRIPT + "".join(headers))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", "script.lua"]
    output = run([*command, url + request.path], folder, cores)
    result = json.loads(output.splitlines()[-1])
    per_second = 1e6 * result["requests"] / result["microseconds"]
    return Load(per_second, result["p50"] / 1000, result["p99"] / 1000), result["errors"]


def autocannon(
    url: str, request: Request, folder: Path, cores: Cores, connections: int, seconds: int
) -> tuple[Load, int]:
    """Load by `autocannon` with the body in `folder`, and the number of errors."""
    if not shutil.which("npx"):
        raise SystemExit("Neither wrk nor npx is installed: one of them must make the load.")
    (folder / "script.js").write_text(AUTOCANNON_SCRIPT)
    options = {
        "url": url + request.path,
        "method": "POST",
        "headers": request.headers,
        "connections": connections,
        "duration": seconds,
    }
    (folder / "options.json").write_text(json.dumps(options))
    command = ["npx", "--yes", "--package", AUTOCANNON, "-c", "node script.js"]
    result = json.loads(run(command, folder, cores).splitlines()[-1])
    load = Load(result["requests"] / result["seconds"], result["p50"], result["p99"])
    return load, result["errors"]


def run(command: list[str], folder: Path, cores: Cores) -> str:
    """What a command prints that runs in `folder` on the core that is meant for the load."""
    if cores.load is not None:  # before it starts threads of its own, which inherit this
        command = ["taskset", "--cpu-list", str(cores.load), *command]
    done = subprocess.run(command, cwd=folder, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"{command} failed: {done.stdout}")
    return done.stdout


def two_cores() -> Cores:
    """A core for the server and another for the load, if the system lets one choose."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(allowed) < 2:
        console.print("Fewer than two cores to choose from: server and load share them")
        return ANYWHERE
    return Cores(allowed[0], allowed[-1])
