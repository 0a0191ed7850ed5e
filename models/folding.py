"""The R of many rows from the R of some rows each, pairwise.

Which ones are folded together follows from their number alone, so the bits do not depend on who
computed them, or on how many did. See Benson, Gleich and Demmel, "Direct QR factorizations for
tall-and-skinny matrices in MapReduce architectures", 2013.
"""

from collections.abc import Iterable

import numpy as np

from models.data import Array


def fold(matrix: Array) -> Array:
    """The R of `matrix`, with as many rows as columns or fewer."""
    return np.asarray(np.linalg.qr(matrix, mode="r"))


def folded(triangles: Iterable[Array]) -> Array:
    """The R of all, of which there is one at least.

    Neighbours are folded, then those that came of neighbours, and so on. So what comes of a run
    of 2ⁿ of them, that begins behind a multiple of 2ⁿ, can stand for these.
    """
    waiting: list[tuple[int, Array]] = []  # each of twice as many as the next, or more
    for triangle in triangles:
        level, joined = 0, triangle
        while waiting and waiting[-1][0] == level:
            joined = fold(np.concatenate([waiting.pop()[1], joined]))
            level += 1
        waiting.append((level, joined))
    _, last = waiting.pop()
    while waiting:
        last = fold(np.concatenate([waiting.pop()[1], last]))
    return last


def runs(count: int, most: int) -> list[range]:
    """At most so many runs of `count` triangles, each of which can be folded by itself."""
    length = 1
    while -(-count // length) > most:
        length *= 2
    return [range(start, min(start + length, count)) for start in range(0, count, length)]
