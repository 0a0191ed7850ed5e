import numpy as np
import pytest

from models.baselines.drawn import drawn
from models.preprocessing import Encoded
from models.rows import InMemory

NUMBERS = np.arange(2000.0).reshape(2, 1000)
ROWS = InMemory(Encoded(NUMBERS, np.arange(1000, dtype=np.int32)[np.newaxis], NUMBERS[0]))


def test_few_rows_are_all_taken() -> None:
    blocks = list(drawn(ROWS, most=1000, size=300, seed=1))
    assert [len(block.targets) for block in blocks] == [300, 300, 300, 100]
    np.testing.assert_array_equal(np.concatenate([b.targets for b in blocks]), np.arange(1000))


def test_of_many_some_are_drawn_from_everywhere_and_stay_whole() -> None:
    blocks = list(drawn(ROWS, most=200, size=300, seed=1))
    targets = np.concatenate([block.targets for block in blocks])
    assert len(targets) == pytest.approx(200, abs=50)
    assert len(set(targets)) == len(targets)
    assert np.histogram(targets, 5, (0, 1000))[0].min() > 20
    for numbers, codes, of_block in blocks:
        np.testing.assert_array_equal(numbers, [of_block, of_block + 1000])
        np.testing.assert_array_equal(codes[0], of_block)


def test_the_seed_says_which() -> None:
    one, again, other = (
        np.concatenate([block.targets for block in drawn(ROWS, 200, 300, seed)])
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
