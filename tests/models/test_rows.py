import numpy as np

from models.preprocessing import Encoded
from models.rows import InMemory

ROWS = InMemory(
    Encoded(
        np.arange(20.0).reshape(2, 10), np.arange(10, dtype=np.int32)[np.newaxis], np.arange(10.0)
    )
)


def test_blocks_hold_all_rows_in_their_order() -> None:
    blocks = list(ROWS.blocks(4))
    assert [block.targets.tolist() for block in blocks] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert blocks[1].numbers.tolist() == [[4, 5, 6, 7], [14, 15, 16, 17]]
    assert blocks[1].codes.tolist() == [[4, 5, 6, 7]]


def test_a_drawn_order_is_another_each_time_and_keeps_rows_whole() -> None:
    draw = np.random.default_rng(1)
    orders = []
    for _ in range(2):
        blocks = list(ROWS.blocks(4, draw))
        assert [len(block.targets) for block in blocks] == [4, 4, 2]
        for numbers, codes, targets in blocks:
            np.testing.assert_array_equal(numbers, [targets, targets + 10])
            np.testing.assert_array_equal(codes, [targets])
        orders.append([target for block in blocks for target in block.targets.tolist()])
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10))
    assert orders[0] != orders[1]
