import keras
import numpy as np
import onnxruntime
import pytest

from models.config import CrossNetwork
from models.data import Array, synthetic_triples, target
from models.networks import build_cross
from models.onnx_layers import graph
from models.rounding import rounding
from tests.models.family import every_network, make_network

FEATURES = synthetic_triples(50, seed=3).features


def predict(network: keras.Model, features: Array) -> Array:
    session = onnxruntime.InferenceSession(
        graph(network).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    predictions: Array = session.run(["predictions"], {"features": features})[0]
    return predictions


def test_a_cross_layer_holds_the_true_function() -> None:
    network = build_cross(CrossNetwork(), 1, "float64")
    products = np.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 1]])
    network.set_weights([products, np.full(3, -1.0), np.ones((3, 1)), np.zeros(1)])
    np.testing.assert_allclose(predict(network, FEATURES)[:, 0], target(FEATURES), rtol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@every_network
def test_the_graph_says_what_the_network_says(kind: str, dtype: str) -> None:
    network, features = make_network(kind, precision=dtype), FEATURES.astype(dtype)
    predictions = predict(network, features)
    assert predictions.shape == (50, 1)
    assert predictions.dtype == dtype
    differences = np.abs(predictions - network(features))[:, 0]
    assert (differences <= rounding(network, features)).all()


def test_an_activation_that_nobody_knows_is_refused() -> None:
    features = keras.Input((3,))
    network = keras.Model(features, keras.layers.Dense(1, "sigmoid")(features))
    with pytest.raises(ValueError, match="no ONNX operation is known for"):
        graph(network)


def test_a_layer_that_nobody_knows_is_refused() -> None:
    features = keras.Input((3,))
    network = keras.Model(features, keras.layers.Softmax(name="odd")(features))
    with pytest.raises(TypeError, match="odd"):
        graph(network)
