"""XLA's cache of compiled programs, kept so that it can cost time but never a job.

XLA fails a training when it meets a damaged entry or a folder that it cannot write to, and it
would run an entry that was compiled for another processor. So entries carry a digest, folders are
named for the machine, and where the folder is of no use the job compiles for itself.
"""

import hashlib
import json
import logging
import os
import platform
import tempfile
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

DIGESTS = "digests.json"
KEPT_ENTRIES = 256


def enable(root: Path, library: str) -> Path | None:
    """Lets this process read and write compiled programs below `root`; returns their folder.

    To be called before TensorFlow's first operation. `library` names its version. Returns None,
    and leaves the cache off, if the folder cannot be used.
    """
    folder = root / _machine(library)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # can it be written to?
            pass
        _remove_strangers(folder)
    except OSError as error:
        logger.warning("compiling without a cache: %s", error)
        return None
    os.environ["TF_XLA_FLAGS"] = f'--tf_xla_persistent_cache_directory="{folder}"'
    return folder


def record(folder: Path) -> None:
    """Notes the digests of all entries, after a training that could use them."""
    with suppress(OSError):
        entries = sorted(_entries(folder), key=lambda entry: entry.stat().st_mtime)
        for entry in entries[:-KEPT_ENTRIES]:
            entry.unlink(missing_ok=True)
        digests = {entry.name: _digest(entry) for entry in entries[-KEPT_ENTRIES:]}
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".", delete=False) as file:
            json.dump(digests, file)
        os.replace(file.name, folder / DIGESTS)


def _remove_strangers(folder: Path) -> None:
    """Removes every entry that is not as it was recorded: half-written, damaged or foreign."""
    try:
        digests = json.loads((folder / DIGESTS).read_bytes())
    except (OSError, ValueError):
        digests = None
    for entry in _entries(folder):
        if not isinstance(digests, dict) or digests.get(entry.name) != _digest(entry):
            entry.unlink(missing_ok=True)


def _entries(folder: Path) -> list[Path]:
    return list(folder.glob("*.pb"))


def _digest(entry: Path) -> str:
    return hashlib.sha256(entry.read_bytes()).hexdigest()


def _machine(library: str) -> str:
    """A name that another processor or another TensorFlow does not share."""
    processor = platform.processor() + platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor += "".join(
            sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
        )
    return hashlib.sha256(f"{library} {processor}".encode()).hexdigest()[:16]
