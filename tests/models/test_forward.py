from typing import Any

import keras
import numpy as np
import pytest

from models.forward import forward
from models.networks import predict_rows
from models.preprocessing import Preprocessing
from tests.models.family import (
    encoded,
    every_features,
    every_network,
    make_network,
    triples,
)


def agree(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def stacked(networks: list[keras.Model]) -> list[Any]:
    same = zip(*(network.get_weights() for network in networks), strict=True)
    return [np.stack(weights)[..., np.newaxis] for weights in same]


@every_network
def test_it_is_the_network_as_a_function_of_its_weights(kind: str) -> None:
    network, features = make_network(kind), triples(40)
    weights = [weight[..., np.newaxis] for weight in network.get_weights()]
    predictions = forward(network, weights, features.T)
    assert predictions.shape == (40,)
    agree(predictions, network(features)[:, 0])


@every_network
def test_networks_stacked_along_a_leading_axis_are_computed(kind: str) -> None:
    networks, features = [make_network(kind, seed=seed) for seed in range(3)], triples(40)
    predictions = forward(networks[0], stacked(networks), features.T)
    assert predictions.shape == (3, 40)
    agree(predictions, [network(features)[:, 0] for network in networks])


@every_network
def test_each_row_may_have_weights_of_its_own(kind: str) -> None:
    networks, features = [make_network(kind, seed=seed) for seed in range(4)], triples(4)
    weights = [
        np.stack(same, axis=-1)
        for same in zip(*(network.get_weights() for network in networks), strict=True)
    ]
    predictions = forward(networks[0], weights, features.T)
    assert predictions.shape == (4,)
    agree(
        predictions,
        [network(features[i : i + 1])[0, 0] for i, network in enumerate(networks)],
    )


@every_features
@every_network
def test_it_is_the_network_of_a_table_too_for_several_starts(
    kind: str, table: Preprocessing, fields: dict[str, Any]
) -> None:
    networks = [make_network(kind, table, seed, **fields) for seed in (5, 6)]
    rows = encoded(table, 20)
    predictions = forward(networks[0], stacked(networks), rows.numbers, rows.codes)
    assert predictions.shape == (2, 20)
    agree(predictions, [predict_rows(network, [rows]) for network in networks])
    assert np.ptp(predictions, axis=1).min() > 1e-3


def test_a_layer_that_nobody_knows_is_refused() -> None:
    features = keras.Input((3,))
    network = keras.Model(features, keras.layers.Softmax(name="odd")(features))
    with pytest.raises(TypeError, match="odd"):
        forward(network, [], triples(2).T)
