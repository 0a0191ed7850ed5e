from itertools import chain

import numpy as np
import pytest

from models.config import CrossNetwork, SyntheticDataset, TrainConfig
from models.data import load
from models.interactions import Interaction, interactions, positions, second_order
from models.networks import build_cross, predict
from models.preprocessing import Number, Preprocessing
from models.training import train
from models.vocabularies import Values, Words

TRIPLE = {"x0": [0], "x1": [1], "x2": [2]}


@pytest.mark.parametrize("layers", [1, 2])
def test_an_exact_cross_network_shows_the_products_of_the_target_and_no_others(layers: int) -> None:
    config = TrainConfig.model_validate(
        {"preset": "best", "models": ["cross"], "cross": {"layers": layers}, "restarts": 1}
    )
    rows = load(SyntheticDataset(size=2000)).train
    *cross, output, _ = train("cross", rows, config).network.get_weights()
    kernel = second_order(cross[::2], cross[1::2])
    found = interactions(kernel, TRIPLE, output[:, 0])
    assert {(one.a, one.b) for one in found[:4]} == {
        ("x0", "x0"),
        ("x0", "x1"),
        ("x1", "x2"),
        ("x2", "x2"),
    }
    # The target is the sum of these four, each once.
    assert [one.strength for one in found] == pytest.approx([1, 1, 1, 1, 0, 0], abs=1e-6)


def test_the_kernel_of_second_order_is_half_the_curvature_of_the_network() -> None:
    draw = np.random.default_rng(0)
    network = build_cross(CrossNetwork(layers=3), 0, "float64")
    network.set_weights([draw.normal(size=weights.shape) for weights in network.get_weights()])
    *cross, output, _ = network.get_weights()
    kernel = second_order(cross[::2], cross[1::2]) * output[:, 0]
    step = 1e-3 * np.eye(3)
    corners = [s * a + t * b for a in step for b in step for s in (1, -1) for t in (1, -1)]
    at = predict(network, np.array(corners)).reshape(3, 3, 4)
    curvature = (at @ [1, -1, -1, 1]) / 4e-6
    np.testing.assert_allclose(kernel + kernel.T, curvature, rtol=1e-3, atol=1e-3)


def test_without_an_output_the_strength_is_the_norm_of_both_blocks() -> None:
    kernel = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    assert interactions(kernel, {"a": [0], "b": [1, 2]}) == [
        Interaction("b", "b", np.sqrt(5**2 + 6**2 + 8**2 + 9**2)),
        Interaction("a", "b", np.sqrt(2**2 + 3**2 + 4**2 + 7**2)),
        Interaction("a", "a", 1.0),
    ]


def test_what_one_half_of_the_kernel_takes_back_is_no_interaction() -> None:
    kernel = np.array([[0.0, 5.0], [-10.0, 1.0]])  # x0 · 5 x1 · 2 - x1 · 10 x0 · 1
    found = interactions(kernel, {"a": [0], "b": [1]}, output=np.array([1.0, 2.0]))
    assert found == [
        Interaction("b", "b", 2.0),
        Interaction("a", "a", 0.0),
        Interaction("a", "b", 0.0),
    ]
    strongest = interactions(kernel, {"a": [0], "b": [1]})[0]
    assert (strongest.a, strongest.b) == ("a", "b")


def test_strength_is_about_the_standard_deviation_of_the_product() -> None:
    draw = np.random.default_rng(0)
    spread = np.array([2.0, 0.5, 3.0])
    x0 = draw.normal(size=(100_000, 3)) * spread
    kernel = np.array([[0, 1.5, 0], [0, 0, 0.7], [0, 0, 0]])
    first, second = interactions(kernel, TRIPLE, np.ones(3), spread)[:2]
    assert (first.a, first.b) == ("x0", "x1")
    assert first.strength == pytest.approx(np.std(1.5 * x0[:, 0] * x0[:, 1]), rel=0.02)
    assert (second.a, second.b) == ("x1", "x2")
    assert second.strength == pytest.approx(np.std(0.7 * x0[:, 1] * x0[:, 2]), rel=0.02)


def test_a_number_is_where_it_is_and_where_its_mark_and_its_lookup_are() -> None:
    preprocessing = Preprocessing(
        "regression",
        (
            Number("rooms", 0.0, 1.0, marked=False),
            Number("area", 0.0, 1.0, marked=True),
            Number("age", 0.0, 1.0, marked=True),
        ),
        (Words("city", ("Oslo",), 2), Words("street", (), 3)),
        0.0,
        1.0,
    )
    where = positions(preprocessing)
    assert where == {
        "rooms": [0],
        "area": [1, 3],
        "age": [2, 4],
        "city": [5, 6],
        "street": [7, 8, 9],
    }
    assert sorted(chain(*where.values())) == [*range(preprocessing.width)]
    looked_up = preprocessing._replace(values=(Values("area", (0.0,), 2),))
    assert positions(looked_up) == {**where, "area": [1, 3, 10, 11]}
