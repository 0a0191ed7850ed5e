"""How many processors this process may use, which in a container are fewer than there are."""

import math
import os
from collections.abc import Iterator
from pathlib import Path


def usable(root: Path = Path("/")) -> int:
    """At least 1: those that its affinity names, or fewer where control groups grant less time."""
    named = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, math.ceil(min([named or 1, *_granted(root)])))


def _granted(root: Path) -> Iterator[float]:
    """For each control group around this process that has a limit, how many processors it is."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except (OSError, UnicodeDecodeError):  # not Linux, or hidden
        return
    for line in lines:
        controllers, _, path = line.partition(":")[2].partition(":")
        if controllers == "":
            mounts = {"", "unified"}
        elif "cpu" in controllers.split(","):
            mounts = {"cpu", controllers}
        else:
            continue
        for top in (root / "sys/fs/cgroup" / mount for mount in mounts):
            # A container may see its own group as the top, and its path as seen from outside.
            for group in [inner := top / path.lstrip("/"), *inner.parents]:
                yield from _limit(group)
                if group == top:
                    break


def _limit(group: Path) -> Iterator[float]:
    for files in (["cpu.max"], ["cpu.cfs_quota_us", "cpu.cfs_period_us"]):
        try:
            quota, period = " ".join((group / file).read_text() for file in files).split()
            if quota not in {"max", "-1"}:
                yield int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):  # of the other version, or no limit here
            pass
