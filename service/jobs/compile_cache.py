"""XLA's cache of compiled programs, kept so that it can cost time but never a job.

XLA fails a training when it meets a damaged entry or a folder that it cannot write to, and it
would run an entry that was compiled for another processor. So entries carry a digest, folders are
named for the machine, and where the folder is of no use the job compiles for itself.

artifacts/.compiled/{machine}/
  *.pb             entries that were recorded; whoever reads or changes them holds the folder's lock
  digests.json     their digests
  running/{uuid}/  what one process reads and writes (taken_folder.py): so it meets no entry that
                   another one has not recorded, and takes none away from who is still at work
"""

import hashlib
import json
import logging
import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from service import taken_folder
from service.file_lock import Locked, locked

logger = logging.getLogger(__name__)

DIGESTS = "digests.json"
RUNNING = "running"
KEPT_ENTRIES = 256

LOCK_SECONDS = 5.0
"""How long one waits for another that begins or records; else there is no cache this time."""


class Cache(NamedTuple):
    """Where recorded entries are, and those of this process."""

    kept: Path
    own: Path


def enable(root: Path, library: str) -> Cache | None:
    """Lets this process read and write compiled programs below `root`.

    To be called before TensorFlow's first operation. `library` names its version. Returns None,
    and leaves the cache off, if the folder cannot be used.
    """
    kept = root / _machine(library)
    try:
        kept.mkdir(parents=True, exist_ok=True)
        taken_folder.clear(kept / RUNNING)
        own = taken_folder.take(kept / RUNNING).folder
        with locked(kept, LOCK_SECONDS):
            _remove_strangers(kept)
            for entry in _entries(kept):
                os.link(entry, own / entry.name)
    except (OSError, Locked) as error:
        logger.warning("compiling without a cache: %r", error)
        return None
    os.environ["TF_XLA_FLAGS"] = f'--tf_xla_persistent_cache_directory="{own}"'
    return Cache(kept, own)


def record(cache: Cache) -> None:
    """Keeps what this process has compiled, and its digests, after a training that could use it."""
    kept, own = cache
    with suppress(OSError, Locked), locked(kept, LOCK_SECONDS):
        digests = _digests(kept)
        for entry in _entries(own):
            if not (kept / entry.name).exists():
                digests[entry.name] = _digest(entry)
                os.link(entry, kept / entry.name)
        entries = sorted(_entries(kept), key=lambda entry: entry.stat().st_mtime)
        for entry in entries[:-KEPT_ENTRIES]:
            entry.unlink()
        there = {entry.name for entry in entries[-KEPT_ENTRIES:]}
        unfinished = own / DIGESTS
        unfinished.write_text(json.dumps({name: digests[name] for name in there & digests.keys()}))
        unfinished.replace(kept / DIGESTS)


def _remove_strangers(kept: Path) -> None:
    """Removes every entry that is not as it was recorded: half-written, damaged or foreign."""
    digests = _digests(kept)
    for entry in _entries(kept):
        if digests.get(entry.name) != _digest(entry):
            entry.unlink()


def _digests(kept: Path) -> dict[str, str]:
    """What was recorded; nothing if that is damaged."""
    with suppress(OSError, ValueError):
        found = json.loads((kept / DIGESTS).read_bytes())
        if isinstance(found, dict):
            return found
    return {}


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
