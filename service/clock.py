"""A clock that nobody can set, and that goes on while the machine sleeps."""

import time
from functools import cache
from pathlib import Path

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # Linux has the first


def now() -> float:
    """Seconds since the machine started; all its processes read the same."""
    return time.clock_gettime(_CLOCK)


@cache
def boot() -> str:
    """Which start of the machine that was: at each, the clock begins anew. Empty if unknown."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
