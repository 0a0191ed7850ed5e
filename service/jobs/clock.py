"""A clock for leases: nobody can set it, and it goes on while the machine sleeps."""

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # Linux has the first


def now() -> float:
    """Seconds since the machine started; all its processes read the same."""
    return time.clock_gettime(_CLOCK)
