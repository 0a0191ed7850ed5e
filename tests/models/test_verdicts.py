from collections.abc import Iterable, Sequence
from itertools import combinations, product

import numpy as np
import pytest

from models.comparison import Difference
from models.verdicts import summary, to_serve


def difference(a: str, b: str, better: str | None) -> Difference:
    low, high = {a: (-3.0, -1.0), b: (1.0, 3.0), None: (-1.0, 3.0)}[better]
    return Difference(a, b, (low + high) / 2, low, high, "")


def told(
    networks: str, baselines: str = "", among: Iterable[str] = (), beaten: Sequence[str] = ()
) -> str:
    """The summary, where `among` has `better>worse` and so has `beaten`; all else is undecided."""
    names, theirs = networks.split(), baselines.split()
    better = dict.fromkeys([*combinations(names, 2), *product(names, theirs)])
    for shown in (*among, *beaten):
        one, other = shown.split(">")
        pair = (one, other) if (one, other) in better else (other, one)
        assert pair in better
        better[pair] = one
    return summary([difference(a, b, of) for (a, b), of in better.items()], names, theirs)


CROSS_WINS = ("cross>dense",)
ALL_THREE = "dense cross deep_cross"


@pytest.mark.parametrize(
    ("among", "expected"),
    [
        (CROSS_WINS, "cross is better than dense"),
        (["dense>cross"], "dense is better than cross"),
        ((), "no difference between dense and cross is shown"),
    ],
)
def test_two_networks_are_told_apart_or_not(among: Sequence[str], expected: str) -> None:
    assert told("dense cross", among=among) == expected


@pytest.mark.parametrize(
    ("among", "expected"),
    [
        ([], "no difference between dense, cross and deep_cross is shown"),
        (
            ["deep_cross>dense", "deep_cross>cross", "cross>dense"],
            "deep_cross is better than dense and cross; cross is better than dense",
        ),
        (
            ["deep_cross>dense", "deep_cross>cross"],
            "deep_cross is better than dense and cross; "
            "no difference between dense and cross is shown",
        ),
        (
            ["cross>dense", "deep_cross>dense"],
            "cross is better than dense; deep_cross is better than dense; "
            "no difference between cross and deep_cross is shown",
        ),
        (
            ["cross>dense"],
            "cross is better than dense; no difference between dense and deep_cross, "
            "or between cross and deep_cross, is shown",
        ),
    ],
)
def test_three_networks_are_told_apart_as_far_as_shown(among: Sequence[str], expected: str) -> None:
    assert told(ALL_THREE, among=among) == expected


@pytest.mark.parametrize(
    ("baselines", "beaten", "expected"),
    [
        ("", [], "there is nothing to compare cross with"),
        ("trees", ["cross>trees"], "cross beats trees"),
        ("trees", [], "cross does not beat trees"),
        ("trees", ["trees>cross"], "cross does not beat trees"),
        ("mean trees", ["cross>mean", "cross>trees"], "cross beats every baseline"),
        ("mean trees", ["cross>mean"], "cross does not beat trees"),
        ("mean trees", [], "cross does not beat any baseline"),
        ("mean linear trees", ["cross>mean"], "cross does not beat linear or trees"),
        (
            "mean linear products trees",
            ["cross>mean"],
            "cross does not beat linear, products or trees",
        ),
    ],
)
def test_one_network_against_the_baselines(
    baselines: str, beaten: Sequence[str], expected: str
) -> None:
    assert told("cross", baselines, beaten=beaten) == expected


BOTH_BEAT_MEAN = ["dense>mean", "cross>mean"]


@pytest.mark.parametrize(
    ("baselines", "beaten", "expected"),
    [
        ("trees", ["dense>trees", "cross>trees"], "both beat trees"),
        ("trees", ["trees>dense"], "neither beats trees"),
        ("trees", ["cross>trees"], "cross beats trees; dense does not"),
        ("mean", BOTH_BEAT_MEAN, "both beat mean"),
        ("mean trees", [*BOTH_BEAT_MEAN, "cross>trees", "dense>trees"], "both beat every baseline"),
        ("mean trees", BOTH_BEAT_MEAN, "neither beats trees"),
        ("mean trees", [], "neither beats any baseline"),
        ("mean linear trees", BOTH_BEAT_MEAN, "neither beats linear or trees"),
        ("mean trees", [*BOTH_BEAT_MEAN, "cross>trees"], "cross beats trees; dense does not"),
        (
            "mean linear trees",
            [*BOTH_BEAT_MEAN, "cross>linear", "cross>trees"],
            "cross beats linear and trees; dense beats neither",
        ),
        (
            "mean linear products trees",
            [*BOTH_BEAT_MEAN, "cross>linear", "cross>products", "cross>trees"],
            "cross beats linear, products and trees; dense beats none of them",
        ),
        (
            "linear trees",
            ["cross>linear", "cross>trees"],
            "cross beats every baseline; dense beats none",
        ),
        (
            "mean linear trees",
            [*BOTH_BEAT_MEAN, "cross>linear"],
            "cross beats linear; dense does not; neither beats trees",
        ),
        (
            "linear trees",
            ["cross>linear", "dense>trees"],
            "cross beats linear; dense does not; dense beats trees; cross does not",
        ),
    ],
)
def test_two_networks_against_the_baselines(
    baselines: str, beaten: Sequence[str], expected: str
) -> None:
    assert told("dense cross", baselines, CROSS_WINS, beaten) == (
        f"cross is better than dense; {expected}"
    )


@pytest.mark.parametrize(
    ("baselines", "beaten", "expected"),
    [
        ("trees", [], "none of them beats trees"),
        ("trees", ["dense>trees", "cross>trees", "deep_cross>trees"], "all of them beat trees"),
        ("trees", ["cross>trees"], "cross beats trees; dense and deep_cross do not"),
        (
            "trees",
            ["cross>trees", "deep_cross>trees"],
            "cross and deep_cross beat trees; dense does not",
        ),
        (
            "linear trees",
            ["cross>trees", "cross>linear"],
            "cross beats every baseline; dense and deep_cross beat none",
        ),
        (
            "linear products trees",
            ["cross>trees", "cross>linear"],
            "cross beats linear and trees; dense and deep_cross beat neither; "
            "none of them beats products",
        ),
    ],
)
def test_three_networks_against_the_baselines(
    baselines: str, beaten: Sequence[str], expected: str
) -> None:
    assert told(ALL_THREE, baselines, (), beaten) == (
        f"no difference between dense, cross and deep_cross is shown; {expected}"
    )


PLURAL = ("both", "all of them")


@pytest.mark.parametrize("networks", [1, 2, 3])
@pytest.mark.parametrize("baselines", range(6))
def test_whatever_is_shown_a_sentence_says_that_and_nothing_else(
    networks: int, baselines: int
) -> None:
    names = ALL_THREE.split()[:networks]
    theirs = ["mean", "linear", "products", "trees", "biases"][:baselines]
    pairs = [*combinations(names, 2), *product(names, theirs)]
    draw = np.random.default_rng(0)
    meant: dict[str, list[str | None]] = {}
    for _ in range(1000):
        better = [(a, b, None)[draw.integers(3)] for a, b in pairs]
        differences = [difference(a, b, of) for (a, b), of in zip(pairs, better, strict=True)]
        said = summary(differences, names, theirs)
        for clause in said.split("; "):
            subject, beat, _ = clause.partition(" beat")
            if beat and not subject.endswith(" does not"):
                plural = " and " in subject or subject in PLURAL
                assert clause.startswith(f"{subject} beat{'' if plural else 's'} "), clause
        # What a network is not shown to beat may be better or not: that is not told apart.
        wins = [one if one in names else None for one in better]
        assert meant.setdefault(said, wins) == wins


def test_pairs_of_baselines_are_passed_over() -> None:
    pairs = [difference("dense", "trees", None), difference("trees", "mean", "trees")]
    assert summary(pairs, ["dense"], ["trees"]) == "dense does not beat trees"


def test_of_networks_that_are_not_told_apart_the_smaller_serves() -> None:
    parameters = {"dense": 40, "cross": 16}
    assert to_serve([difference("dense", "cross", None)], parameters) == "cross"
    assert to_serve([difference("dense", "cross", "dense")], parameters) == "dense"
    assert to_serve([difference("dense", "cross", "cross")], parameters) == "cross"


def test_a_network_that_another_beats_does_not_serve_however_small() -> None:
    parameters = {"dense": 1, "cross": 16, "deep_cross": 99}
    differences = [
        difference("dense", "cross", None),
        difference("dense", "deep_cross", "deep_cross"),
        difference("cross", "deep_cross", None),
        difference("cross", "trees", "trees"),
    ]
    assert to_serve(differences, parameters) == "cross"


def test_a_network_alone_serves() -> None:
    assert to_serve([difference("cross", "trees", "trees")], {"cross": 16}) == "cross"
