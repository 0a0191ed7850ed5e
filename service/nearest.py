"""Which name may be meant by one that is not known."""

from collections.abc import Iterable
from difflib import get_close_matches

NEAR = 0.65
"""How much alike two names are of which one may be meant by the other."""


def did_you_mean(given: str, known: Iterable[str], prefix: str = "") -> str:
    """`: did you mean target?`, or nothing if no known name is like the given one."""
    nearest = get_close_matches(given, list(known), 1, NEAR)
    return "".join(f": did you mean {prefix}{near}?" for near in nearest)
