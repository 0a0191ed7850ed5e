"""`Accept`, as RFC 9110, section 12.5.1, has it."""

import re
from collections.abc import Iterator

MOST_RANGES = 100
"""What comes behind them is not looked at."""

_quoted = re.compile(r'"(?:[^"\\]|\\.)*"?')
_quality = re.compile(r"q\s*=\s*(0?\.\d+|0\.?|1(?:\.0*)?)")

Weight = tuple[float, int, int]
"""How much something is wanted: its quality, how exactly it is named, and how early."""


def preferred(accept: str, offered: list[str]) -> str | None:
    """The media type that is wanted most, the first of equals; None if none is wanted.

    The range that names a media type most exactly says how much it is wanted. Of two that are
    wanted as much, it is the one named more exactly, then the one named first. Whatever is
    malformed is passed over.
    """
    ranges = _ranges(accept)
    weights = {media_type: _weight(ranges, media_type) for media_type in offered}
    best = max(offered, key=weights.__getitem__)
    return best if weights[best][0] > 0 else None


def _ranges(accept: str) -> dict[str, tuple[float, int]]:
    """The quality and the place of each range; one with parameters has a semicolon behind it."""
    found: dict[str, tuple[float, int]] = {}
    for place, (name, quality, is_exact) in enumerate(_each(accept)):
        found.setdefault(f"{name};" if is_exact else name, (quality, place))
    return found


def qualities(accept: str) -> Iterator[tuple[str, float]]:
    """Each media type or range as it is named, whatever its parameters, and its quality."""
    for name, quality, _ in _each(accept):
        yield name, quality


def _each(accept: str) -> Iterator[tuple[str, float, bool]]:
    """Each range, its quality, and whether it has other parameters than that."""
    # Quoted text holds nothing for us but commas and semicolons that mean nothing.
    for media_range in _quoted.sub("", accept.lower()).split(",", MOST_RANGES)[:MOST_RANGES]:
        name, *parameters = [part.strip() for part in media_range.split(";")]
        others = [part for part in parameters if part and part.partition("=")[0].strip() != "q"]
        given = [match[1] for part in parameters if (match := _quality.fullmatch(part))]
        yield name, float(given[0]) if given else 1.0, bool(others)


def _weight(ranges: dict[str, tuple[float, int]], media_type: str) -> Weight:
    kind = media_type.partition("/")[0]
    named_by = (media_type, f"{media_type};", f"{kind}/*", "*/*")
    for inexact, name in enumerate(named_by):
        if name in ranges:
            quality, place = ranges[name]
            return quality, -inexact, -place
    return 0.0, 0, 0
