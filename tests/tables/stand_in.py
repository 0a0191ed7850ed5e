"""A process in the reader's place: it does what the first line of an upload says."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

SCRIPT = (__file__,)
"""In the place of `process.READER`."""

SCHEMA: dict[str, Any] = {
    "features": [{"name": "rooms", "type": "number"}],
    "target": "price",
    "task": "regression",
}


def wait_for_sleeper(folder: Path) -> int:
    """Waits until a stand-in sleeps below a folder; returns its process id."""
    while not (found := list(folder.rglob("[0-9]*.sleeps"))):
        time.sleep(0.01)
    return int(found[0].stem)


def say(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main() -> None:
    task = json.loads(sys.stdin.readline())
    told, _, argument = Path(task["upload"]).read_text().partition("\n")[0].partition(" ")
    say(rows=1)
    if told == "refuse":
        say(refused="as it was told", status=int(argument))
    elif told == "die":
        os.kill(os.getpid(), signal.Signals[argument])
    elif told == "stop":
        sys.stdout.write('{"table": {"schema')
    elif told == "exit":
        sys.exit(int(argument))
    elif told == "sleep":
        Path(task["folder"], f"{os.getpid()}.sleeps").touch()
        time.sleep(1000)
    else:
        schema = SCHEMA | {"features": [{"name": told, "type": "number"}]}
        if task.get("expected", {}).get("features") not in (None, schema["features"]):
            say(refused="other columns", status=409)
        else:
            Path(task["folder"], "data.parquet").write_text(told)
            say(table={"schema": schema, "rows": 1, "profile": []})


if __name__ == "__main__":
    main()
