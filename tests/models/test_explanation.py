from typing import Any

import keras
import numpy as np
import pytest

from models.config import NumericEmbedding, TrainConfig
from models.explanation import crosses, where_in_x0
from models.networks import build, ensemble
from models.preprocessing import Number, Preprocessing
from models.vocabularies import Words

WHERE = {"x0": [0], "x1": [1], "x2": [2]}
ROWS = np.random.default_rng(0).random((500, 3))


def network(name: Any, seed: int = 1, **fields: Any) -> keras.Model:
    return build(name, TrainConfig.model_validate(fields), seed)


def exact() -> keras.Model:
    """Says x0 x1 + 3 x2²."""
    made = network("cross", precision="float64")
    kernel = np.zeros((3, 3))
    kernel[1, 0], kernel[2, 2] = 1, 3
    output = np.ones((3, 1))
    made.set_weights([kernel, np.full(3, -1.0), output, np.zeros(1)])
    return made


def test_the_pairs_that_a_network_multiplies_are_found_with_their_strengths() -> None:
    np.testing.assert_allclose(
        exact()(ROWS).numpy()[:, 0], ROWS[:, 0] * ROWS[:, 1] + 3 * ROWS[:, 2] ** 2, rtol=1e-12
    )
    found = crosses(exact(), ROWS, WHERE)
    assert found is not None
    (first, second), others = found[:2], found[2:]
    assert (first.a, first.b, second.a, second.b) == ("x2", "x2", "x0", "x1")
    spread = ROWS.std(axis=0)
    assert first.strength == pytest.approx(3 * spread[2] ** 2)
    assert second.strength == pytest.approx(spread[0] * spread[1])
    assert all(pair.strength == 0 for pair in others)


def test_the_strength_of_an_ensemble_is_the_mean_of_its_members() -> None:
    members = [exact(), exact()]
    weights = members[1].get_weights()
    members[1].set_weights([3 * weights[0], *weights[1:]])
    found = crosses(ensemble(members), ROWS, WHERE)
    alone = crosses(exact(), ROWS, WHERE)
    assert found is not None
    assert alone is not None
    assert [pair.strength for pair in found] == pytest.approx([2 * p.strength for p in alone])


@pytest.mark.parametrize("structure", ["parallel", "stacked"])
@pytest.mark.parametrize("rank", [None, 2])
def test_cross_layers_beside_and_below_others_are_found(structure: str, rank: int | None) -> None:
    shape = {"layers": 2, "rank": rank, "structure": structure, "hidden_units": [4]}
    found = crosses(network("deep_cross", models=["deep_cross"], deep_cross=shape), ROWS, WHERE)
    assert found is not None
    assert len(found) == 6
    assert all(pair.strength > 0 for pair in found)


def test_networks_without_a_kernel_of_pairs_tell_of_none() -> None:
    assert crosses(network("dense"), ROWS, WHERE) is None
    mixed = network("cross", cross={"rank": 2, "experts": 3})
    assert crosses(mixed, ROWS, WHERE) is None


def test_features_are_found_where_numbers_are_embedded() -> None:
    numbers = (Number("a", 0, 1, marked=True), Number("b", 0, 1, marked=False))
    table = Preprocessing("regression", numbers, (Words("c", ("x",), 2),), 0, 1)
    assert where_in_x0(table, None) == {"a": [0, 2], "b": [1], "c": [3, 4]}
    wide = where_in_x0(table, NumericEmbedding(width=3))
    assert wide == {"a": [0, 1, 2, 6], "b": [3, 4, 5], "c": [7, 8]}
