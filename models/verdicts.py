"""What a whole comparison shows, in one plain sentence, and which network should serve."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from models.comparison import Difference

Better = Mapping[frozenset[str], str | None]
"""Of two rows, the one that is shown to be better, if any."""


def summary(
    differences: Iterable[Difference], networks: Sequence[str], baselines: Sequence[str]
) -> str:
    """What is shown of the networks among each other, and then against the baselines.

    A baseline that is not named is one that every network is shown to beat. There is no full stop.

    Args:
        differences: Among them, of each two networks and of each network and baseline.
        networks: One or more.
        baselines: There may be none.
    """
    better = {frozenset((each.a, each.b)): each.better for each in differences}
    parts = [*_among(networks, better), *_against(networks, baselines, better)]
    return "; ".join(parts) or f"there is nothing to compare {networks[0]} with"


def to_serve(differences: Iterable[Difference], parameters: Mapping[str, int]) -> str:
    """The smallest network of those that none is shown to beat.

    Args:
        differences: Among them, of each two networks; on the rows that choose, not the test rows.
        parameters: Of each network, how many it has.
    """
    beaten: set[str] = set()
    for each in differences:
        if each.better is not None and {each.a, each.b} <= parameters.keys():
            beaten |= {each.a, each.b} - {each.better}
    return min(
        (parameters.keys() - beaten) or parameters, key=lambda name: (parameters[name], name)
    )


def _among(networks: Sequence[str], better: Better) -> Iterable[str]:
    pairs = list(combinations(networks, 2))
    beats = {
        name: [other for other in networks if better.get(frozenset((name, other))) == name]
        for name in networks
    }
    for name in sorted(networks, key=lambda name: -len(beats[name])):
        if beats[name]:
            yield f"{name} is better than {_list(beats[name])}"
    alike = [pair for pair in pairs if better[frozenset(pair)] is None]
    if len(alike) == len(pairs) > 1:
        yield f"no difference between {_list(networks)} is shown"
    elif alike:
        between = ", or ".join(f"between {_list(pair)}" for pair in alike)
        yield f"no difference {between}{',' if len(alike) > 1 else ''} is shown"


def _against(networks: Sequence[str], baselines: Sequence[str], better: Better) -> Iterable[str]:
    """The baselines by who beats them: all of the networks, some of them, none."""
    beaten_by: dict[tuple[str, ...], list[str]] = {}
    for baseline in baselines:
        winners = tuple(name for name in networks if better[frozenset((name, baseline))] == name)
        beaten_by.setdefault(winners, []).append(baseline)
    for winners in sorted(beaten_by, key=len, reverse=True):
        theirs = beaten_by[winners]
        every = len(theirs) == len(baselines) > 1
        if not winners:
            yield _none_beats(networks, "any baseline" if every else _list(theirs, "or"))
        elif len(winners) < len(networks):
            others = [name for name in networks if name not in winners]
            yield f"{_beat(winners)} {'every baseline' if every else _list(theirs)}"
            yield f"{_list(others)} {_not_so(len(others), len(theirs), every)}"
        elif len(beaten_by) == 1:
            yield f"{_all_beat(networks)} {'every baseline' if every else _list(theirs)}"


def _beat(names: Sequence[str]) -> str:
    return f"{_list(names)} {'beats' if len(names) == 1 else 'beat'}"


def _all_beat(networks: Sequence[str]) -> str:
    return {1: _beat(networks), 2: "both beat"}.get(len(networks), "all of them beat")


def _none_beats(networks: Sequence[str], baselines: str) -> str:
    if len(networks) == 1:
        return f"{networks[0]} does not beat {baselines}"
    return f"{'neither' if len(networks) == 2 else 'none of them'} beats {baselines}"


def _not_so(losers: int, baselines: int, every: bool) -> str:
    if baselines == 1:
        return "does not" if losers == 1 else "do not"
    beat = "beats" if losers == 1 else "beat"
    if every:
        return f"{beat} none"
    return f"{beat} {'neither' if baselines == 2 else 'none of them'}"


def _list(names: Sequence[str], word: str = "and") -> str:
    *others, last = names
    return f"{', '.join(others)} {word} {last}" if others else last
