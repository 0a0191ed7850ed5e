"""Clocks that are off, by Debian's faketime."""

from pathlib import Path

HERE = Path(__file__).parent


def clock(off: str) -> dict[str, str]:
    """An environment in which programs read a clock that is off, as "+1h"; durations are right.

    Without faketime's fix of waits: with it, they end too early or too late, and an API, whose
    threads take turns by such waits, keeps half of a core busy for nothing.
    """
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": off,
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        "PYTHONPATH": str(HERE),
    }
