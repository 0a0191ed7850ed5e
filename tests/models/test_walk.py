import keras
import numpy as np
import pytest

from models.walk import call, walk
from tests.models.family import every_network, make_network, triples


@every_network
def test_a_walk_that_applies_the_layers_is_the_network(kind: str) -> None:
    network, features = make_network(kind), triples(5)
    again = walk(network, [features], call)
    np.testing.assert_array_equal(again, network(features))


@every_network
def test_the_layers_come_in_the_order_of_their_weights(kind: str) -> None:
    network = make_network(kind)
    shapes: list[tuple[int, ...]] = []

    def note(layer: keras.Layer, inputs: object) -> None:
        shapes.extend(weight.shape for weight in layer.weights)

    walk(network, [None], note)
    assert shapes == [weight.shape for weight in network.get_weights()]


def test_a_layer_is_given_its_inputs_in_their_order() -> None:
    one, other = keras.Input((3,), name="one"), keras.Input((3,), name="other")
    network = keras.Model([one, other], keras.layers.Subtract()([other, one]))
    seen = walk(network, ["one", "other"], lambda layer, inputs: "-".join(inputs))
    assert seen == "other-one"


def test_inputs_that_are_too_few_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        walk(make_network("dense"), [], lambda layer, inputs: None)
