"""Which name may be meant by one that is not known."""

from collections.abc import Iterable
from difflib import get_close_matches

NEAR = 0.65
"""How much alike two names are of which one may be meant by the other."""


def nearest(given: str, known: Iterable[str]) -> str | None:
    """The known name that differs in case alone, or else is most like the given one; or None."""
    names = list(known)
    same = [name for name in names if name.casefold() == given.casefold()]
    return next(iter(same or get_close_matches(given, names, 1, NEAR)), None)


def did_you_mean(given: str, known: Iterable[str], prefix: str = "") -> str:
    """`: did you mean target?`, or nothing if no known name is like the given one."""
    near = nearest(given, known)
    return f": did you mean {prefix}{near}?" if near else ""
