"""Some rows of many, drawn evenly."""

from collections.abc import Iterator

import numpy as np

from models.preprocessing import Encoded
from models.rows import Rows


def drawn(rows: Rows, most: int, size: int, seed: int) -> Iterator[Encoded]:
    """Blocks of at most `size` rows: all of them, or about `most` that `seed` picks."""
    if rows.rows <= most:
        yield from rows.blocks(size)
        return
    draw = np.random.default_rng(seed)
    for numbers, codes, targets in rows.blocks(size):
        chosen = np.flatnonzero(draw.random(len(targets)) < most / rows.rows)
        yield Encoded(numbers[:, chosen], codes[:, chosen], targets[chosen])
